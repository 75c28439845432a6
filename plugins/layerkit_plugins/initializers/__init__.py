"""Initializers: how parameters start, one family a file."""
