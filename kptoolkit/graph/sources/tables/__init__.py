"""Readers of tables that have no triples: of items with their values, and of pairs of ids."""
