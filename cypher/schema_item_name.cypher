// Exact and prefix look-up of item names without case.
// parameters: none
// columns: none
CREATE INDEX kptool_item_name IF NOT EXISTS FOR (n:Item) ON (n.name_lower)
