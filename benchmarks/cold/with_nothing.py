"""The interpreter alone: what every process here takes at least."""
