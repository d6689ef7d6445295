// The items with one of these item ids.
// parameters: ids
// columns: item_id, entity_id, name, is_entity
UNWIND $ids AS id
MATCH (i:Item {item_id: id})
RETURN i.item_id AS item_id, coalesce(i.id, i.entity_id) AS entity_id, coalesce(i.name, '') AS name,
  i:Entity AS is_entity
