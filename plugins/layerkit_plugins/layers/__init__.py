"""First-party layers: one file each, entered through entry points like anybody's."""
