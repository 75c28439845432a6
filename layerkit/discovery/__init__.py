"""Finding, choosing and importing plugins."""
