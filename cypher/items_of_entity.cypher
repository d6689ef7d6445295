// The items linked to an entity.
// parameters: id
// columns: item_id, entity_id, name
MATCH (i:Item)
WHERE coalesce(i.id, i.entity_id) = $id
RETURN i.item_id AS item_id, $id AS entity_id, coalesce(i.name, '') AS name
ORDER BY item_id
