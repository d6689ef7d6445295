"""Run a job part by part: in worker processes or with Ray Data."""
