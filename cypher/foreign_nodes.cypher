// One node that kptool did not load; no row if there is none.
// parameters: none
// columns: labels
MATCH (n)
WHERE coalesce(n.source, '') <> 'kptool'
RETURN labels(n) AS labels
LIMIT 1
