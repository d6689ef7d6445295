// The entities with a name, compared without case; reads every name.
// parameters: name_lower
// columns: id, name
MATCH (n:Person)
WHERE replace(replace(toLower(coalesce(n.name, '')), 'ß', 'ss'), 'ς', 'σ') = $name_lower
RETURN 'Person:' + toString(n.id) AS id, coalesce(n.name, '') AS name
UNION ALL
MATCH (n:Movie)
WHERE replace(replace(toLower(coalesce(n.title, '')), 'ß', 'ss'), 'ς', 'σ') = $name_lower
RETURN 'Movie:' + toString(n.id) AS id, coalesce(n.title, '') AS name
