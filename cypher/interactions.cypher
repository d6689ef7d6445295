// All interactions: user, item and time (a number, a date, or a date with a time).
// parameters: none
// columns: user, item, time
MATCH (u:User)-[x:INTERACTED]->(i:Item)
RETURN u.id AS user, i.item_id AS item, x.time AS time
