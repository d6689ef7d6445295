// The items with a name, compared without case.
// parameters: name_lower
// columns: item_id, entity_id, name
MATCH (i:Item {name_lower: $name_lower})
RETURN i.item_id AS item_id, coalesce(i.id, i.entity_id) AS entity_id, i.name AS name
ORDER BY item_id
