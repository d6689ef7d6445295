"""SASRec of RecTools, trained by a process of another Python environment."""
