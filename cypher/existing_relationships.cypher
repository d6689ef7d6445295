// The triples with these heads.
// parameters: heads
// columns: head, relation, tail
UNWIND $heads AS id
MATCH (h:Entity {id: id})-[r]->(t:Entity)
RETURN id AS head, coalesce(r.relation, type(r)) AS relation, t.id AS tail
