"""The two T5 backends and the modules that they share."""
