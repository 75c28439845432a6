"""Initializers: how parameters start, one family per file."""
