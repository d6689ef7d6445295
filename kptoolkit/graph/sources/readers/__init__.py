"""Readers of single layouts: folders and files of public data sets, exports of Neo4j, items in JSON."""
