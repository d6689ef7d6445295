"""Reads a template pack: finds its folder, reads its YAML files, and reports all mistakes in them."""
