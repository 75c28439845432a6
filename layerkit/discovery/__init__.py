"""Discovery: finding, choosing and importing plugins."""
