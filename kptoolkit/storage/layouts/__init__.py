"""Layouts of tables, JSON and archives as public data sets have them."""
