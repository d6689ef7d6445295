// One node that kptool did not load with a label that it uses; no row if there is none.
// parameters: users
// columns: labels
MATCH (n)
WHERE (n:Entity OR n:Item OR ($users AND n:User)) AND coalesce(n.source, '') <> 'kptool'
RETURN labels(n) AS labels
LIMIT 1
