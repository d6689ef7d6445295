// Deletes the recommendations of a run for these users.
// parameters: run, users
// columns: none
UNWIND $users AS id
MATCH (u:User {id: id})-[r:RECOMMENDED]->(i:Item)
WHERE r.run = $run
DELETE r
