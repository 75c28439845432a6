"""Optimizers: how a gradient changes a parameter, one a file."""
