// The item that an entity is.
// parameters: id
// columns: item_id, entity_id, name
WITH [id IN [$id] WHERE id STARTS WITH 'Movie:' | toInteger(substring(id, 6))] AS wanted
MATCH (i:Movie)
WHERE i.id IN wanted
RETURN toString(i.id) AS item_id, 'Movie:' + toString(i.id) AS entity_id, coalesce(i.title, '') AS name
