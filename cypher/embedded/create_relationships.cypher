// Adds triples; ArcadeDB has no dynamic types and refuses some names, so the relation is a property.
// parameters: rows
// columns: none
UNWIND $rows AS row
MATCH (h:Entity {id: row.head})
MATCH (t:Entity {id: row.tail})
CREATE (h)-[:REL {relation: row.relation, source: 'kptool'}]->(t)
