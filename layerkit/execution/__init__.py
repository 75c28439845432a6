"""Execution: threads, matrix products, and how a network's layers are run."""
