"""Everything that talks to a graph database."""
