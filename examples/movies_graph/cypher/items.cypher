// All items, each with the entity that it is.
// parameters: none
// columns: item_id, entity_id, name
MATCH (i:Movie)
RETURN toString(i.id) AS item_id, 'Movie:' + toString(i.id) AS entity_id, coalesce(i.title, '') AS name
