// Name and number of relationships of the entities with one of these ids.
// parameters: ids
// columns: id, name, degree
WITH [id IN $ids WHERE id STARTS WITH 'Person:' | toInteger(substring(id, 7))] AS wanted
MATCH (n:Person)
WHERE n.id IN wanted
RETURN 'Person:' + toString(n.id) AS id, coalesce(n.name, '') AS name,
  COUNT { (n)-[:ACTED_IN|PRODUCED|DIRECTED|WROTE|REVIEWED|FOLLOWS]-() } AS degree
UNION ALL
WITH [id IN $ids WHERE id STARTS WITH 'Movie:' | toInteger(substring(id, 6))] AS wanted
MATCH (n:Movie)
WHERE n.id IN wanted
RETURN 'Movie:' + toString(n.id) AS id, coalesce(n.title, '') AS name,
  COUNT { (n)-[:ACTED_IN|PRODUCED|DIRECTED|WROTE|REVIEWED|FOLLOWS]-() } AS degree
UNION ALL
WITH [id IN $ids WHERE id STARTS WITH 'Year:' | toInteger(substring(id, 5))] AS wanted
MATCH (n:Movie)
WHERE n.released IN wanted
RETURN 'Year:' + toString(n.released) AS id, toString(n.released) AS name, count(*) AS degree
