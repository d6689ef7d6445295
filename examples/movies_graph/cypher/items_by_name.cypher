// The items with a name, compared without case; reads every name.
// parameters: name_lower
// columns: item_id, entity_id, name
MATCH (i:Movie)
WHERE replace(replace(toLower(coalesce(i.title, '')), 'ß', 'ss'), 'ς', 'σ') = $name_lower
RETURN toString(i.id) AS item_id, 'Movie:' + toString(i.id) AS entity_id, coalesce(i.title, '') AS name
