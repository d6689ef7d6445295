// Number of entities, relationships and items.
// parameters: none
// columns: entities, relationships, items
MATCH (n:Entity)
WITH count(n) AS entities
OPTIONAL MATCH (:Entity)-[r]->(:Entity)
WITH entities, count(r) AS relationships
OPTIONAL MATCH (i:Item)
RETURN entities, relationships, count(i) AS items
