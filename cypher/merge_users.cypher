// Adds missing users.
// parameters: ids
// columns: none
UNWIND $ids AS id
MERGE (u:User {id: id})
ON CREATE SET u.source = 'kptool'
