"""Digests of tensors: the SHA-256 of each payload, computed before writing, checked when read."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from numpy.typing import NDArray

from layerkit.codec.arrays import blocks, dtype_name
from layerkit.codec.parallel import each
from layerkit.codec.relations import TensorRecord
from layerkit.display import quoted
from layerkit.errors import CorruptFileError

Tensors = Mapping[str, tuple[str, NDArray[Any]]]


def tensor_digests(tensors: Tensors) -> dict[str, bytes]:
    """Name -> SHA-256 of the payload that ``write`` will give each tensor."""
    arrays = [array for _, array in tensors.values()]
    for name, array in zip(tensors, arrays, strict=True):
        dtype_name(name, array)
    hashed = each(_digest, arrays, sum(array.nbytes for array in arrays))
    return dict(zip(tensors, hashed, strict=True))


def _digest(array: NDArray[Any]) -> bytes:
    hashed = sha256()
    for block in blocks(array):
        hashed.update(block)
    return hashed.digest()


def check_digest(record: TensorRecord, actual: bytes) -> None:
    """Raise CorruptFileError unless the payload of ``record`` has the SHA-256 that it claims."""
    if actual != record.sha256:
        raise CorruptFileError(
            f"tensor {quoted(record.name, 300)} is corrupt: "
            f"{digest_mismatch(record.sha256, actual)}",
            tensor=record.name,
            expected=record.sha256.hex(),
            actual=actual.hex(),
            offset=record.file_offset,
            hint="copy or download the file again",
        )


def digest_mismatch(expected: bytes, actual: bytes) -> str:
    """Both digests, for a message."""
    return f"expected SHA-256 {expected.hex()}, got {actual.hex()}"
