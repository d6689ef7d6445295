// All relations and how often each occurs.
// parameters: none
// columns: relation, count
MATCH (:Entity)-[r]->(:Entity)
RETURN coalesce(r.relation, type(r)) AS relation, count(*) AS count
ORDER BY relation
