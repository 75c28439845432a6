"""Searches: how the settings that a study tries are chosen."""
