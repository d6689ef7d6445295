// Stores labels of relations as JSON text by relation id.
// parameters: labels
// columns: none
MATCH (m:KptoolGraph {name: 'kg'})
SET m.relation_labels = $labels
