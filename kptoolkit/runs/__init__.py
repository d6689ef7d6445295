"""The run folder: layout, manifest, loading and saving."""
