// Item ids are unique.
// parameters: none
// columns: none
CREATE CONSTRAINT kptool_item_id IF NOT EXISTS FOR (n:Item) REQUIRE n.item_id IS UNIQUE
