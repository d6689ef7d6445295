// Entity ids are unique; created before any data, so that every look-up uses the index.
// parameters: none
// columns: none
CREATE CONSTRAINT kptool_entity_id IF NOT EXISTS FOR (n:Entity) REQUIRE n.id IS UNIQUE
