"""Activations: elementwise functions and their slopes, one a file."""
