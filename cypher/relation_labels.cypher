// Labels of relations, as JSON text by relation id; no row or null if the graph has none.
// parameters: none
// columns: labels
MATCH (m:KptoolGraph)
RETURN m.relation_labels AS labels
