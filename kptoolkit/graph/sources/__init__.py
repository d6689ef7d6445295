"""Readers of files and of Python values: RecBole folders, CSV and TSV, RDF."""
