// The triples around the entities of a frontier, at most $cap per relation. To leave a relation out, remove
// its type here, and in counts and relation_counts.
// parameters: frontier, max_degree, cap
// columns: id, relation, other, forward
WITH [id IN $frontier WHERE id STARTS WITH 'Person:' | toInteger(substring(id, 7))] AS wanted
MATCH (n:Person)
WHERE n.id IN wanted
  AND ($max_degree IS NULL OR COUNT { (n)-[:ACTED_IN|PRODUCED|DIRECTED|WROTE|REVIEWED|FOLLOWS]-() } <= $max_degree)
CALL (n) {
  MATCH (n)-[r:ACTED_IN|PRODUCED|DIRECTED|WROTE|REVIEWED|FOLLOWS]-(t)
  WHERE t:Person OR t:Movie
  WITH DISTINCT type(r) AS relation, startNode(r) = n AS forward, CASE
      WHEN t:Person THEN 'Person:' + toString(t.id)
      WHEN t:Movie THEN 'Movie:' + toString(t.id)
    END AS other
  ORDER BY relation, other, forward
  WITH relation, collect([other, forward])[..$cap] AS ends
  UNWIND ends AS end
  RETURN relation, end[0] AS other, end[1] AS forward
}
RETURN 'Person:' + toString(n.id) AS id, relation, other, forward
UNION ALL
WITH [id IN $frontier WHERE id STARTS WITH 'Movie:' | toInteger(substring(id, 6))] AS wanted
MATCH (n:Movie)
WHERE n.id IN wanted
  AND ($max_degree IS NULL OR COUNT { (n)-[:ACTED_IN|PRODUCED|DIRECTED|WROTE|REVIEWED|FOLLOWS]-() } <= $max_degree)
CALL (n) {
  MATCH (n)-[r:ACTED_IN|PRODUCED|DIRECTED|WROTE|REVIEWED|FOLLOWS]-(t)
  WHERE t:Person OR t:Movie
  WITH DISTINCT type(r) AS relation, startNode(r) = n AS forward, CASE
      WHEN t:Person THEN 'Person:' + toString(t.id)
      WHEN t:Movie THEN 'Movie:' + toString(t.id)
    END AS other
  ORDER BY relation, other, forward
  WITH relation, collect([other, forward])[..$cap] AS ends
  UNWIND ends AS end
  RETURN relation, end[0] AS other, end[1] AS forward
}
RETURN 'Movie:' + toString(n.id) AS id, relation, other, forward
UNION ALL
// The year of release is a property; these two branches make a fact of it, one for each direction.
WITH [id IN $frontier WHERE id STARTS WITH 'Movie:' | toInteger(substring(id, 6))] AS wanted
MATCH (n:Movie)
WHERE n.id IN wanted AND n.released IS NOT NULL
RETURN 'Movie:' + toString(n.id) AS id, 'RELEASED' AS relation, 'Year:' + toString(n.released) AS other, true AS forward
UNION ALL
WITH [id IN $frontier WHERE id STARTS WITH 'Year:' | toInteger(substring(id, 5))] AS wanted
MATCH (n:Movie)
WHERE n.released IN wanted
RETURN 'Year:' + toString(n.released) AS id, 'RELEASED' AS relation, 'Movie:' + toString(n.id) AS other, false AS forward
