// The items with one of these item ids.
// parameters: ids
// columns: item_id, entity_id, name, is_entity
WITH [id IN $ids | toInteger(id)] AS wanted
MATCH (i:Movie)
WHERE i.id IN wanted
RETURN toString(i.id) AS item_id, 'Movie:' + toString(i.id) AS entity_id, coalesce(i.title, '') AS name, true AS is_entity
