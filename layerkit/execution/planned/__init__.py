"""Recorded layers as planned NumPy: joined products, shared memory, steps bound once."""
