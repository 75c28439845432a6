"""Activations: elementwise functions and their slopes, one per file."""
