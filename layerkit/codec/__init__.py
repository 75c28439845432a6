"""The model file: reading, checking and writing format 1.0 (FORMAT.md is normative).

A file is one canonical MessagePack document. ``open_document`` checks its header and gives a
``Document``, from which tensors are read; ``write`` makes a file from a spec, type records and
arrays. Type keys are plain strings here; ``layerkit.file.provenance`` finds their classes.
"""

from typing import TYPE_CHECKING, Any

from layerkit.codec.contract import check_data_contract
from layerkit.codec.document import Document, LazyTensors
from layerkit.codec.layers import LayerEntry, layer_records
from layerkit.codec.limits import Limits
from layerkit.codec.names import DTYPES, format_dtype
from layerkit.codec.reader import load_tensors, open_document
from layerkit.codec.relations import TensorRecord

if TYPE_CHECKING:
    from layerkit.codec.content import Shaped, check_content
    from layerkit.codec.digests import tensor_digests
    from layerkit.codec.writer import write

__all__ = [
    "DTYPES",
    "Document",
    "LayerEntry",
    "LazyTensors",
    "Limits",
    "Shaped",
    "TensorRecord",
    "check_content",
    "check_data_contract",
    "format_dtype",
    "layer_records",
    "load_tensors",
    "open_document",
    "tensor_digests",
    "write",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:  # reading does not import what writes: 4 ms
        if name in ("Shaped", "check_content"):
            from layerkit.codec import content as home
        elif name in ("tensor_digests", "write"):
            from layerkit.codec import writer as home  # type: ignore[no-redef]
        else:
            raise AttributeError(f"module 'layerkit.codec' has no attribute {name!r}")
        return getattr(home, name)
