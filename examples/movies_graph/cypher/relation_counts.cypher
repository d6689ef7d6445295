// All relations and how often each occurs.
// parameters: none
// columns: relation, count
MATCH (h)-[r:ACTED_IN|PRODUCED|DIRECTED|WROTE|REVIEWED|FOLLOWS]->(t)
WHERE (h:Person OR h:Movie) AND (t:Person OR t:Movie)
RETURN type(r) AS relation, count(*) AS count
ORDER BY relation
UNION ALL
MATCH (n:Movie)
WHERE n.released IS NOT NULL
RETURN 'RELEASED' AS relation, count(*) AS count
