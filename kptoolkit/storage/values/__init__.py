"""Cells of tables: how their values are cleaned, and how ids of one file become those of another."""
