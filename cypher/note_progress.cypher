// Stores the progress of a load, in the same transaction as the batch.
// parameters: fresh, base_entities, base_relationships, entities, entities_created, triples, triples_created
// columns: none
MATCH (m:KptoolGraph {name: 'kg'})
SET m.fresh = $fresh, m.base_entities = $base_entities, m.base_relationships = $base_relationships,
  m.entities = $entities, m.entities_created = $entities_created, m.triples = $triples,
  m.triples_created = $triples_created
