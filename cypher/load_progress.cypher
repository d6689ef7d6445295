// Progress of an unfinished load; no row, or nulls, if none is stored.
// parameters: none
// columns: fresh, base_entities, base_relationships, entities, entities_created, triples, triples_created
MATCH (m:KptoolGraph)
RETURN m.fresh AS fresh, m.base_entities AS base_entities, m.base_relationships AS base_relationships,
  m.entities AS entities, m.entities_created AS entities_created, m.triples AS triples,
  m.triples_created AS triples_created
