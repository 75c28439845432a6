"""First-party callbacks."""
