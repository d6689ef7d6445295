// Labels entities as items.
// parameters: rows
// columns: none
UNWIND $rows AS row
MATCH (n:Entity {id: row.entity_id})
SET n:Item, n.item_id = row.item_id
