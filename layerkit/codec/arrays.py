"""The payload of an array, block by block (rules 4.1, 4.2 and 9.2).

Equal values give equal bytes in any memory layout, and no block takes more than a megabyte: a
model is never in memory twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerkit.codec.names import DTYPES, format_dtype
from layerkit.display import quoted
from layerkit.errors import MalformedFileError

_BLOCK = 1 << 20


def dtype_name(name: str, array: object) -> str:
    """The format's name for the dtype of ``array``.

    Raises MalformedFileError for a masked array, another type, or a dtype that rule 4.1 lacks.
    """
    where = f"tensor {quoted(name)}"
    if not isinstance(array, np.ndarray | np.generic):
        reason = f"expected a NumPy array, got {type(array).__name__}"
        raise MalformedFileError(reason, at=where)
    if hasattr(array, "mask"):
        raise MalformedFileError("a masked array cannot be saved: fill it first", at=where)
    known = format_dtype(array.dtype)
    if known is None:
        allowed = " ".join(DTYPES)
        raise MalformedFileError(
            f"rule 4.1: dtype {array.dtype} cannot be saved; allowed are {allowed}", at=where
        )
    return known


def blocks(array: NDArray[Any] | np.generic) -> Iterator[memoryview]:
    """The payload bytes of ``array``: C order, little-endian, at most a megabyte at a time.

    A block is valid until the next one is requested.
    """
    dtype = DTYPES[dtype_name("", array)]
    whole = np.asarray(array)
    if whole.size == 0:
        return
    if whole.dtype == dtype and whole.flags.c_contiguous:
        pieces = _contiguous(whole, dtype)
    else:
        pieces = _gathered(whole, dtype)
    for piece in pieces:
        raw = piece.view(np.uint8)
        # Memory may hold 2 for True; a payload byte is 0 or 1.
        yield ((raw != 0).view(np.uint8) if dtype.kind == "b" else raw).data


def _contiguous(whole: NDArray[Any], dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    flat = whole.reshape(-1)
    step = _BLOCK // dtype.itemsize
    for start in range(0, len(flat), step):
        yield flat[start : start + step]


def _gathered(whole: NDArray[Any], dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    pieces = np.nditer(
        whole,
        flags=["external_loop", "buffered"],
        op_dtypes=[dtype],
        order="C",
        casting="equiv",
        buffersize=_BLOCK // dtype.itemsize,
    )
    for piece in pieces:
        yield np.ascontiguousarray(piece)
