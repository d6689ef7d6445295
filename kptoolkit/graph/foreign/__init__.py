"""Graphs that kptool did not create: their schema, the roles of labels, drafted Cypher files, inspection."""
