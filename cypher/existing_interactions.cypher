// The interactions of these users.
// parameters: users
// columns: user, item, time
UNWIND $users AS id
MATCH (u:User {id: id})-[x:INTERACTED]->(i:Item)
RETURN id AS user, i.item_id AS item, x.time AS time
