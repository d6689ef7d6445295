"""Readers of graphs and items in JSON."""
