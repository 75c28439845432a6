"""Execution: matrix products, compiled kernels, and how a network's layers are run."""
