"""Models in other forms: ONNX, C, Python, tensors."""

from layerkit.exporting.export import Exported, export
from layerkit.exporting.program_of import program_of

__all__ = ["Exported", "export", "program_of"]
