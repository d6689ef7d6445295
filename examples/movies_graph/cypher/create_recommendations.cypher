// Adds the recommendations of a run; slow for many users without an index for the ids of users and items.
// parameters: run, rows
// columns: none
UNWIND $rows AS row
MATCH (u:Viewer)
WHERE u.id = toInteger(row.user)
MATCH (i:Movie)
WHERE i.id = toInteger(row.item)
CREATE (u)-[:RECOMMENDED {run: $run, rank: row.rank, score: row.score, source: 'kptool'}]->(i)
