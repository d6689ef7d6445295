// The entities with one of these ids, in one row; degree is -1 when the graph does not say.
// parameters: ids
// columns: id[], name[], degree[]
UNWIND $ids AS id
MATCH (n:Entity {id: id})
RETURN collect(n.id) AS id, collect(coalesce(n.name, '')) AS name, collect(coalesce(n.degree, -1)) AS degree
