// Whether a property identifies the nodes of a label: nodes, nodes with the property, and distinct values.
// parameters: label, key
// columns: nodes, filled, distinct_values
MATCH (n)
WHERE $label IN labels(n)
RETURN count(n) AS nodes, count(n[$key]) AS filled, count(DISTINCT n[$key]) AS distinct_values
