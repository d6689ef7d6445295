// Adds entities to a graph without entities.
// parameters: rows
// columns: none
UNWIND $rows AS row
CREATE (:Entity {id: row.id, name: row.name, name_lower: row.name_lower, degree: row.degree, source: 'kptool'})
