"""Optimizers: how a gradient changes a parameter, one per file."""
