// Deletes some of the relationships that kptool wrote.
// parameters: limit
// columns: none
MATCH ()-[r]->()
WHERE r.source = 'kptool'
WITH r
LIMIT $limit
DELETE r
