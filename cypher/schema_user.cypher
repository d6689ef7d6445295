// User ids are unique.
// parameters: none
// columns: none
CREATE CONSTRAINT kptool_user_id IF NOT EXISTS FOR (n:User) REQUIRE n.id IS UNIQUE
