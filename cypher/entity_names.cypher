// Names that begin with these letters, compared without case: candidates for an unknown name.
// parameters: prefix, limit
// columns: name
MATCH (n:Entity)
WHERE n.name_lower STARTS WITH $prefix
RETURN n.name AS name
LIMIT $limit
