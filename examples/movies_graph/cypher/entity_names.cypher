// Names that begin with these letters: what an unknown name may have meant.
// parameters: prefix, limit
// columns: name
MATCH (n:Person)
WHERE toLower(coalesce(n.name, '')) STARTS WITH $prefix
RETURN coalesce(n.name, '') AS name
LIMIT $limit
UNION ALL
MATCH (n:Movie)
WHERE toLower(coalesce(n.title, '')) STARTS WITH $prefix
RETURN coalesce(n.title, '') AS name
LIMIT $limit
