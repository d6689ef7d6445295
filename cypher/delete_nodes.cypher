// Deletes some of the nodes that kptool wrote; nodes with relationships that kptool did not write stay.
// parameters: limit
// columns: none
MATCH (n)
WHERE n.source = 'kptool' AND NOT n:KptoolGraph AND NOT (n)--()
WITH n
LIMIT $limit
DELETE n
