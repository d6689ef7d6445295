// Number of entities, relationships and items.
// parameters: none
// columns: entities, relationships, items
MATCH (n)
WHERE n:Person OR n:Movie
WITH count(n) AS nodes, count(DISTINCT n.released) AS years, count(n.released) AS releases
OPTIONAL MATCH (h)-[r:ACTED_IN|PRODUCED|DIRECTED|WROTE|REVIEWED|FOLLOWS]->(t)
WHERE (h:Person OR h:Movie) AND (t:Person OR t:Movie)
WITH nodes, years, releases, count(r) AS between
OPTIONAL MATCH (i:Movie)
WITH nodes, years, releases, between, count(i) AS items
RETURN nodes + years AS entities, between + releases AS relationships, items
