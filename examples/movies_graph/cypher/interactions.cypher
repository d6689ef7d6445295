// All interactions: user, item and time.
// Where an event is a node of its own, name it in the path, and take the time from it:
//   MATCH (u:Customer)-[:PURCHASED]->(x:Order)-[:ORDERS]->(i:Product)
//   RETURN u.customerID AS user, i.productID AS item, x.orderDate AS time
// parameters: none
// columns: user, item, time
MATCH (u:Viewer)-[x:WATCHED]->(i:Movie)
WHERE x.at IS NOT NULL
RETURN toString(u.id) AS user, toString(i.id) AS item, x.at AS time
