// Which labels each type of relationship connects, and how often; reads every relationship once.
// parameters: none
// columns: head_labels, type, tail_labels, relationships
MATCH (h)-[r]->(t)
RETURN labels(h) AS head_labels, type(r) AS type, labels(t) AS tail_labels, count(*) AS relationships
