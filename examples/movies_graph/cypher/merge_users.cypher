// Finds the users of recommendations, and adds none.
// parameters: ids
// columns: none
UNWIND $ids AS id
MATCH (u:Viewer)
WHERE u.id = toInteger(id)
RETURN count(u) AS users
