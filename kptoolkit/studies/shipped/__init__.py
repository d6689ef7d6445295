"""The shipped studies, one per module with a constant ``STUDY``."""
