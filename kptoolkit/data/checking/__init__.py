"""Findings of ``data check``, and the checks of values."""
