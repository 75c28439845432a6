"""Data sets known by name, one per file."""
