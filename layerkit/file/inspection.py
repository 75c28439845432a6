"""The header of a model file as plain values; no plugin is imported and no tensor read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

from layerkit.codec import Limits, TensorRecord, layer_records, open_document


@dataclass(frozen=True)
class Inspection:
    """The checked header of a model file.

    Attributes
    ----------
    path, size, version, file_id
        Of the file; size in bytes, version (major, minor).
    header
        Every section of the file: spec, types, metrics, metadata, training, ...
    tensors
        Name to record (role, dtype, shape, nbytes, sha256), in the order of the file.
    unknown_fields
        Fields of a newer minor version, which were ignored.
    """

    path: str | None
    size: int
    version: tuple[int, int]
    file_id: str
    header: dict[str, Any]
    tensors: dict[str, TensorRecord]
    unknown_fields: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The spec as JSON for ``layerkit build``, if layerkit wrote the file."""
        return {"layerkit": 1, **self.header["spec"]["model"]}

    @property
    def parameters(self) -> int:
        """Number of trained parameters, each tied one counted once."""
        return sum(
            prod(r.shape)
            for r in self.tensors.values()
            if r.role == "param" and r.name not in self.ties
        )

    @property
    def ties(self) -> dict[str, str]:
        """Parameters that share the numbers of another: ``encoder.W``, or ``encoder.W.T``."""
        found = {}
        for layer in layer_records(self.header):
            tie = layer.record.get("tie")
            for name, owner in tie.items() if isinstance(tie, dict) else ():
                found[f"{layer.path}.{name}"] = str(owner)
        return found

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values; digests as hex text."""
        tensors = [
            {
                "name": t.name,
                "role": t.role,
                "dtype": t.dtype,
                "shape": list(t.shape),
                "nbytes": t.nbytes,
                "sha256": t.sha256.hex(),
            }
            for t in self.tensors.values()
        ]
        sections = {k: v for k, v in self.header.items() if k != "tensors"}
        return {
            "path": self.path,
            "size": self.size,
            "format": list(self.version),
            "file_id": self.file_id,
            "parameters": self.parameters,
            **sections,
            "tensors": tensors,
            "unknown_fields": list(self.unknown_fields),
        }


def inspect(
    source: str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview,
    *,
    expected_id: str | None = None,
    limits: Limits | None = None,
) -> Inspection:
    """Read and check the header of a model file; no plugin is imported or looked up.

    Raises
    ------
    ModelFileError
        If the header breaks a rule of the format (steps 1 to 13).
    OSError
        If the file cannot be opened or read.
    """
    with open_document(source, expected_id=expected_id, limits=limits) as document:
        return Inspection(
            document.path,
            document.size,
            document.version,
            document.file_id,
            document.header,
            document.tensors,
            document.unknown_fields,
        )
