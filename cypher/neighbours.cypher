// The triples around the entities of a frontier, at most $cap per relation; one row per entity. An entity with more than
// $max_degree relationships is left out; null leaves out none. forward: whether the entity is the head.
// parameters: frontier, max_degree, cap
// columns: id, relation[], other[], forward[]
UNWIND $frontier AS id
MATCH (n:Entity {id: id})
WHERE $max_degree IS NULL OR coalesce(n.degree, 0) <= $max_degree
CALL (n) {
  MATCH (n)-[r]-(t:Entity)
  WITH DISTINCT coalesce(r.relation, type(r)) AS relation, t.id AS other, startNode(r) = n AS forward
  ORDER BY relation, other, forward
  WITH relation, collect([other, forward])[..$cap] AS ends
  UNWIND ends AS end
  RETURN collect(relation) AS relation, collect(end[0]) AS other, collect(end[1]) AS forward
}
RETURN id, relation, other, forward
