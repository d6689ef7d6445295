// The properties of some nodes with a label.
// parameters: label, limit
// columns: properties
MATCH (n)
WHERE $label IN labels(n)
RETURN properties(n) AS properties
LIMIT $limit
