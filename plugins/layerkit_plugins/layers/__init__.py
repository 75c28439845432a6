"""First-party layers, one per file, found through entry points like all others."""
