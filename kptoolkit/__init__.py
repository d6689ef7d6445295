"""kptoolkit."""
