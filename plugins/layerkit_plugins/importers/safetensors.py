"""safetensors: the weights of PyTorch and of many others."""

from __future__ import annotations

from typing import BinaryIO

from layerkit import Importer, MissingExtraError, Weights

__all__ = ["SafeTensors"]


class SafeTensors(Importer):
    """Tensors by name in safetensors, whose own library checks sizes before it reads any.

    Source: https://github.com/huggingface/safetensors.
    """

    type_name = "safetensors"
    extensions = (".safetensors",)

    def weights(self, source: BinaryIO) -> Weights:
        """The tensors.

        Raises
        ------
        MissingExtraError
            If safetensors is not installed.
        """
        try:
            from safetensors.numpy import load
        except ImportError as cause:
            purpose = "reading safetensors"
            raise MissingExtraError("safetensors", "safetensors", purpose) from cause
        return Weights(dict(sorted(load(source.read()).items())))  # it has no order of its own
