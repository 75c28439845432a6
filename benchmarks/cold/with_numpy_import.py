"""NumPy imported, and nothing else."""

import numpy  # noqa: F401
