"""Metrics: how good predictions are, one number a file."""
