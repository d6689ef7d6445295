// Adds missing entities, and names those without a name. One with another name is named anew where the row renames,
// unless kptool did not write that name.
// parameters: rows
// columns: none
UNWIND $rows AS row
MERGE (n:Entity {id: row.id})
ON CREATE SET n.degree = 0, n.source = 'kptool'
WITH n, row
WHERE row.name IS NOT NULL AND (n.name IS NULL OR (row.renames AND n.source = 'kptool' AND n.name <> row.name))
SET n.name = row.name, n.name_lower = row.name_lower
