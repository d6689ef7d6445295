// Counts the relationships of these entities to entities again.
// parameters: ids
// columns: none
UNWIND $ids AS id
MATCH (n:Entity {id: id})
OPTIONAL MATCH (n)-[r]-(:Entity)
WITH n, count(DISTINCT r) AS degree
WHERE coalesce(n.degree, -1) <> degree
SET n.degree = degree
