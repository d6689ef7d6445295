// Those of these entities that may become items: kptool loaded them and they are not items yet.
// parameters: ids
// columns: id
UNWIND $ids AS id
MATCH (n:Entity {id: id})
WHERE n.source = 'kptool' AND n.item_id IS NULL
RETURN n.id AS id
