"""The spec: the validated JSON description of a model, and its errors in plain words."""

from layerkit.specs.layers import LayerRecord
from layerkit.specs.resolve import as_spec, check_sections, read_spec, resolve
from layerkit.specs.spec import Spec

__all__ = ["LayerRecord", "Spec", "as_spec", "check_sections", "read_spec", "resolve"]
