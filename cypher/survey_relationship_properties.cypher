// The properties of some relationships of a type.
// parameters: type, limit
// columns: properties
MATCH ()-[r]->()
WHERE type(r) = $type
RETURN properties(r) AS properties
LIMIT $limit
