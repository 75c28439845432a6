"""First-party devices; one file each."""
