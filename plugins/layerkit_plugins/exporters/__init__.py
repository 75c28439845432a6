"""Exporters of models."""
