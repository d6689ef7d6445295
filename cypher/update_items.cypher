// Names or links existing items.
// parameters: rows
// columns: none
UNWIND $rows AS row
MATCH (i:Item {item_id: row.item_id})
SET i.name = row.name, i.name_lower = row.name_lower, i.entity_id = row.entity_id
