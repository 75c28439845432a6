"""Engines: what runs recorded layers."""
