// Deletes some of the nodes that kptool wrote; one with relationships of somebody else stays.
// parameters: limit
// columns: none
MATCH (n)
WHERE n.source = 'kptool' AND NOT n:KptoolGraph AND NOT (n)--()
WITH n
LIMIT $limit
DELETE n
