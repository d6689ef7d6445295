"""Parts of a score that belong to no backend."""
