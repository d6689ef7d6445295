// Exact and prefix look-up of entity names without case.
// parameters: none
// columns: none
CREATE INDEX kptool_entity_name IF NOT EXISTS FOR (n:Entity) ON (n.name_lower)
