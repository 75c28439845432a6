"""Models to files and back: what a model is, in terms of the file format.

Saving records, beside spec and tensors, which distribution and version provided each layer type,
and a few rows with the outputs the model gives for them. Loading resolves the types, holds the
tensors against what the spec implies before it reads them, and runs those rows again, so that
wrong numbers never go unnoticed.
"""

from layerkit.store.loading import load
from layerkit.store.saving import save

__all__ = ["load", "save"]
