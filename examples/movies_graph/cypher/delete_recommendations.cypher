// Deletes the recommendations of a run for these users.
// parameters: run, users
// columns: none
UNWIND $users AS id
MATCH (u:Viewer)
WHERE u.id = toInteger(id)
MATCH (u)-[r:RECOMMENDED]->(i:Movie)
WHERE r.run = $run
DELETE r
