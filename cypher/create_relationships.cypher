// Adds triples; each relation becomes a relationship type of its own.
// parameters: rows
// columns: none
UNWIND $rows AS row
MATCH (h:Entity {id: row.head})
MATCH (t:Entity {id: row.tail})
CREATE (h)-[:$(row.relation) {relation: row.relation, source: 'kptool'}]->(t)
