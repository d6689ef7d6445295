// Adds items that are not entities: unlinked ones, and the second and later items of an entity.
// parameters: rows
// columns: none
UNWIND $rows AS row
CREATE (:Item {item_id: row.item_id, name: row.name, name_lower: row.name_lower, entity_id: row.entity_id,
  source: 'kptool'})
