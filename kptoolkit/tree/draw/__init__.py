"""Pictures of a knowledge tree: PNG, HTML, DOT and JSON."""
