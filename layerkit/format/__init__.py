"""The model file: reading, checking and writing format 1.0 (FORMAT.md is normative).

A file is one canonical MessagePack document. ``open_document`` checks its header and gives a
``Document``, from which tensors are read; ``write`` makes a file from a spec, type records and
arrays. Type keys are plain strings here: who provides a layer is not this package's business.
"""

from typing import TYPE_CHECKING, Any

from layerkit.format.contract import check_data_contract
from layerkit.format.document import Document, LazyTensors
from layerkit.format.files import inspect_header, load_tensors
from layerkit.format.layers import LayerRecord, layer_records, unowned_tensors
from layerkit.format.limits import Limits
from layerkit.format.names import DTYPES, format_dtype
from layerkit.format.reader import open_document
from layerkit.format.relations import TensorRecord

if TYPE_CHECKING:
    from layerkit.format.content import Shaped, check_content
    from layerkit.format.writer import tensor_digests, write

__all__ = [
    "DTYPES",
    "Document",
    "LayerRecord",
    "LazyTensors",
    "Limits",
    "Shaped",
    "TensorRecord",
    "check_content",
    "check_data_contract",
    "format_dtype",
    "inspect_header",
    "layer_records",
    "load_tensors",
    "open_document",
    "tensor_digests",
    "unowned_tensors",
    "write",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:  # who only reads does not load what writes: 4 ms
        if name in ("Shaped", "check_content"):
            from layerkit.format import content as home
        elif name in ("tensor_digests", "write"):
            from layerkit.format import writer as home  # type: ignore[no-redef]
        else:
            raise AttributeError(f"module 'layerkit.format' has no attribute {name!r}")
        return getattr(home, name)
