"""Importers of weights."""
