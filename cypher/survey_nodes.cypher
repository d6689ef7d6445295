// Every combination of labels, and how many nodes have it; reads every node once.
// parameters: none
// columns: labels, nodes
MATCH (n)
RETURN labels(n) AS labels, count(*) AS nodes
