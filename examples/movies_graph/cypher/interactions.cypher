// All interactions: user, item and time.
// parameters: none
// columns: user, item, time
MATCH (u:Viewer)-[x:WATCHED]->(i:Movie)
WHERE x.at IS NOT NULL
RETURN toString(u.id) AS user, toString(i.id) AS item, x.at AS time
