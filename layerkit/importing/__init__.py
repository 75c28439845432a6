"""Weights that another library trained, as a model."""

from layerkit.importing.weights import Imported, import_weights

__all__ = ["Imported", "import_weights"]
