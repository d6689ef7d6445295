"""Why an item is recommended: the triplets that mattered, and paths that are true in the graph."""
