// Adds the recommendations of a run.
// parameters: run, rows
// columns: none
UNWIND $rows AS row
MATCH (u:User {id: row.user})
MATCH (i:Item {item_id: row.item})
CREATE (u)-[:RECOMMENDED {run: $run, rank: row.rank, score: row.score, source: 'kptool'}]->(i)
