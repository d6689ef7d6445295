"""Drafts a template pack for a graph, with real triples as examples."""
