// The entities with one of these ids; degree is null when the graph does not say.
// parameters: ids
// columns: id, name, degree
UNWIND $ids AS id
MATCH (n:Entity {id: id})
RETURN n.id AS id, coalesce(n.name, '') AS name, n.degree AS degree
