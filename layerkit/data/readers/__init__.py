"""Readers of table and array files, one per format."""
