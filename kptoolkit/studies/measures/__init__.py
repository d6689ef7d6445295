"""Figures of a finished training beyond its ranking, for studies."""
