"""A first version of a template pack for a graph, with real triples as examples."""
