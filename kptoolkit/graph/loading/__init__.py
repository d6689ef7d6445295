"""Loading a source into a graph: survey, batches, checkpoints, reports, and export for bulk import."""
