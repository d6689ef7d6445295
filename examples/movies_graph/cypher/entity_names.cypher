// Names that begin with these letters: candidates for an unknown name.
// parameters: prefix, limit
// columns: name
MATCH (n:Person)
WHERE replace(replace(toLower(coalesce(n.name, '')), 'ß', 'ss'), 'ς', 'σ') STARTS WITH $prefix
RETURN coalesce(n.name, '') AS name
LIMIT $limit
UNION ALL
MATCH (n:Movie)
WHERE replace(replace(toLower(coalesce(n.title, '')), 'ß', 'ss'), 'ς', 'σ') STARTS WITH $prefix
RETURN coalesce(n.title, '') AS name
LIMIT $limit
