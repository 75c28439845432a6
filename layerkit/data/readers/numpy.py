"""NumPy's npy and npz files. Nothing is ever unpickled."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.display import quoted
from layerkit.errors import DataError

_INPUT_KEYS = ("x", "rows", "features")
_LABEL_KEYS = ("y", "labels")

_BROKEN = (ValueError, TypeError, OSError, EOFError, KeyError, SyntaxError, MemoryError,
           OverflowError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error,
           tokenize.TokenError)  # fmt: skip
"""What NumPy, zipfile and zlib raise for damaged files."""


def read_npy(raw: bytes, source: str) -> Rows:
    """The array in an npy file as ``values`` (n, *shape), in its own dtype.

    Raises DataError if it is damaged, a single value, or holds objects.
    """
    if not raw.startswith(b"\x93NUMPY"):
        raise DataError("not an npy file: it does not begin with \\x93NUMPY", source=source)
    return Rows(_checked(_load(io.BytesIO(raw), source), source), source=source)


def npy_blocks(pieces: Iterable[bytes], source: str) -> Iterator[Rows]:
    """``read_npy`` in blocks, for bytes in pieces.

    An error is raised with the piece that holds the fault.
    """
    stream = iter(pieces)
    raw = b""
    for piece in stream:
        raw += piece
        start = _npy_start(raw)
        if start is not None:
            break
    else:
        yield read_npy(raw, source)
        return
    shape, fortran, dtype = start[1:]
    size = math.prod(shape[1:]) * dtype.itemsize
    if fortran or len(shape) == 0 or size == 0 or dtype.kind not in "biufUS":
        yield read_npy(b"".join((raw, *stream)), source)
        return
    held, left = raw[start[0] :], shape[0]
    if left == 0:
        yield Rows(np.empty(shape, dtype), source=source)
    while left:
        count = min(len(held) // size, left)
        if count:
            values = np.frombuffer(held, dtype, count * (size // dtype.itemsize))
            yield Rows(values.reshape(count, *shape[1:]), source=source)
            held, left = held[count * size :], left - count
        following = next(stream, None) if left else b""
        if following is None:
            raise _damaged(EOFError(f"{left} of {shape[0]} rows are missing"), source)
        held += following


def _npy_start(raw: bytes) -> tuple[int, tuple[int, ...], bool, np.dtype[Any]] | None:
    """(where the numbers begin, shape, Fortran order or not, dtype), None if not known yet."""
    stream = io.BytesIO(raw)
    try:
        version = np.lib.format.read_magic(stream)
        reads = {(1, 0): np.lib.format.read_array_header_1_0,
                 (2, 0): np.lib.format.read_array_header_2_0}  # fmt: skip
        shape, fortran, dtype = reads[version](stream)
    except _BROKEN:
        return None
    return stream.tell(), shape, fortran, dtype


def load_npz(raw: bytes, source: str) -> dict[str, Array]:
    """All arrays in an npz file by key; DataError if it is damaged or an array holds objects."""
    if not raw.startswith(b"PK"):
        raise DataError("not an npz file: it is not a zip archive", source=source)
    archive = _load(io.BytesIO(raw), source)
    members = getattr(archive, "files", [])
    listed = archive.zip.namelist() if members else []
    if not members or not all(name.endswith(".npy") for name in listed):
        raise DataError("the zip archive does not hold NumPy arrays", source=source)
    return {key: _checked(_member(archive, key, source), source, key) for key in members}


def _member(archive: Any, key: str, source: str) -> Array:
    try:
        found: Array = archive[key]
    except _BROKEN as cause:
        raise _damaged(cause, source, key) from cause
    return found


def read_npz(raw: bytes, source: str, *, labels: str | None = None) -> Rows:
    """The inputs of an npz file as ``values``, with its labels if it has any.

    ``labels`` is their key, by default y, Y or labels. Raises DataError if the file is damaged, or
    its keys do not say which array holds what.
    """
    arrays = load_npz(raw, source)
    if labels is not None and labels not in arrays:
        hint = f"keys there: {', '.join(arrays)}"
        raise DataError(f"there is no array {quoted(labels)}", source=source, hint=hint)
    answers = [labels] if labels else [k for k in arrays if k.lower() in _LABEL_KEYS]
    inputs = [k for k in arrays if k.lower() in _INPUT_KEYS and k not in answers]
    if not inputs and len(arrays) - len(answers) == 1:
        inputs = [k for k in arrays if k not in answers]
    if len(inputs) != 1 or len(answers) > 1:
        several = inputs if len(inputs) > 1 else answers if len(answers) > 1 else list(arrays)
        raise DataError(
            f"cannot tell inputs from labels by the keys {', '.join(several)}",
            source=source,
            hint="name one array x, X, rows or features, and the labels, if any, y or labels",
        )
    x, y = arrays[inputs[0]], arrays[answers[0]] if answers else None
    if y is not None and len(y) != len(x):
        reason = f"{len(x)} rows under {inputs[0]!r}, but {len(y)} labels under {answers[0]!r}"
        raise DataError(reason, source=source)
    return Rows(x, labels=y, source=source)


def _load(stream: io.BytesIO, source: str) -> Any:
    try:
        return np.load(stream, allow_pickle=False)
    except _BROKEN as cause:
        raise _damaged(cause, source) from cause


def _damaged(cause: BaseException, source: str, key: str | None = None) -> DataError:
    where = f"array {quoted(key)}: " if key is not None else ""
    if "allow_pickle" in str(cause):
        return DataError(
            f"{where}holds Python objects, which are unsafe to read",
            source=source,
            hint="save numbers or text: array.astype(float) or array.astype(str)",
        )
    return DataError(
        f"{where}damaged or cut short ({type(cause).__name__}: {cause})",
        source=source,
        hint="copy or write the file again",
    )


def _checked(array: Any, source: str, key: str | None = None) -> Array:
    where = f"array {quoted(key)}: " if key is not None else ""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufUS":
        found = getattr(array, "dtype", type(array).__name__)
        raise DataError(f"{where}expected numbers or text, got {found}", source=source)
    if array.ndim == 0:
        raise DataError(f"{where}expected an array of rows, got a single value", source=source)
    return array
