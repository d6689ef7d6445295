// Ids of entities in ascending order, a page at a time.
// parameters: after, limit
// columns: id
MATCH (n:Entity)
WHERE n.id > $after
RETURN n.id AS id
ORDER BY id
LIMIT $limit
