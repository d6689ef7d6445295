// Adds missing entities, and names those without a name. A row that renames also replaces another name, unless kptool
// did not write that one.
// parameters: rows
// columns: none
UNWIND $rows AS row
MERGE (n:Entity {id: row.id})
ON CREATE SET n.degree = 0, n.source = 'kptool'
WITH n, row
WHERE row.name IS NOT NULL AND (n.name IS NULL OR (row.renames AND n.source = 'kptool' AND n.name <> row.name))
SET n.name = row.name, n.name_lower = row.name_lower
