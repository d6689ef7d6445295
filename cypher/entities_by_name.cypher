// The entities with a name, compared without case.
// parameters: name_lower
// columns: id, name
MATCH (n:Entity {name_lower: $name_lower})
RETURN n.id AS id, n.name AS name
ORDER BY id
