// All items; entity_id is null when the item is not linked.
// parameters: none
// columns: item_id, entity_id, name
MATCH (i:Item)
RETURN i.item_id AS item_id, coalesce(i.id, i.entity_id) AS entity_id, coalesce(i.name, '') AS name
ORDER BY item_id
