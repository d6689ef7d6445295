// Adds interactions.
// parameters: rows
// columns: none
UNWIND $rows AS row
MATCH (u:User {id: row.user})
MATCH (i:Item {item_id: row.item})
CREATE (u)-[:INTERACTED {time: row.time, rating: row.rating, source: 'kptool'}]->(i)
