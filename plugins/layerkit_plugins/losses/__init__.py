"""Losses: the loss of a row and its gradient, one per file."""
