"""Runs studies: a grid of trainings, a question and a plot."""
