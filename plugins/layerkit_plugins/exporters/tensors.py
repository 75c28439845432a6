"""Weights alone: npz for NumPy, safetensors for everything else."""

from __future__ import annotations

import io
import json

import numpy as np

from layerkit import Array, Exporter, MissingExtraError
from layerkit.recording.program import Program

__all__ = ["Npz", "SafeTensors"]


class Npz(Exporter):
    """All parameters and states of the layers by name, such as ``dense_1.W``, in NumPy's npz.

    Read it with ``numpy.load``. The data contract and the layers themselves are not in it.

    Source: numpy.lib.format, NumPy enhancement proposal 1.
    """

    type_name = "npz"
    extension = ".npz"

    def content(self, program: Program) -> bytes:
        """The archive; arrays in C order."""
        file = io.BytesIO()
        np.savez(file, **tensors_of(program))  # type: ignore[arg-type]  # arrays by name
        return file.getvalue()


class SafeTensors(Exporter):
    """All parameters and states of the layers by name, in safetensors.

    The names of columns, classes and targets are metadata: JSON under the key ``layerkit``.

    Source: https://github.com/huggingface/safetensors.
    """

    type_name = "safetensors"
    extension = ".safetensors"

    def content(self, program: Program) -> bytes:
        """The file; arrays in C order, since safetensors writes others wrongly.

        Raises
        ------
        MissingExtraError
            If safetensors is not installed.
        """
        try:
            from safetensors.numpy import save
        except ImportError as cause:
            purpose = "exporting to safetensors"
            raise MissingExtraError("safetensors", "safetensors", purpose) from cause
        return save(tensors_of(program), metadata=_metadata(program))


def tensors_of(program: Program) -> dict[str, Array]:
    """Copies in C order of all tensors, by layer and name."""
    return {
        f"{step.name}.{key}": np.array(array, order="C")
        for step in program.steps
        for key, array in step.tensors.items()
    }


def _metadata(program: Program) -> dict[str, str]:
    """One entry: safetensors writes several in an order that changes."""
    return {"layerkit": json.dumps({"name": program.name, **program.names(), **program.facts})}
