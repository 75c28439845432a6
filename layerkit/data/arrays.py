"""Binary arrays: NumPy's npy and npz, and IDX, the format of MNIST.

No file is ever unpickled. An IDX file is two zero bytes, a type byte, the number of axes, one
big-endian 32-bit size an axis, then the numbers in C order, big-endian.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from layerkit.core.layer import Array
from layerkit.core.rows import Rows
from layerkit.display import quoted
from layerkit.errors import DataError

__all__ = ["load_npz", "npy_blocks", "read_idx", "read_npy", "read_npz"]

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_INPUT_KEYS = ("x", "rows", "features")
_LABEL_KEYS = ("y", "labels")

_BROKEN = (ValueError, TypeError, OSError, EOFError, KeyError, SyntaxError, MemoryError,
           OverflowError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error,
           tokenize.TokenError)  # fmt: skip
"""What NumPy, zipfile and zlib raise for bytes that are not what they should be."""


def read_npy(raw: bytes, source: str) -> Rows:
    """The array in an npy file as ``values`` (n, *shape), in its own dtype.

    Raises
    ------
    DataError
        If it is damaged, has no rows, or holds objects.
    """
    if not raw.startswith(b"\x93NUMPY"):
        raise DataError("not an npy file: it does not begin with \\x93NUMPY", source=source)
    return Rows(_sound(_load(io.BytesIO(raw), source), source), source=source)


def npy_blocks(pieces: Iterable[bytes], source: str) -> Iterator[Rows]:
    """The rows of an npy file that comes in pieces of bytes, some at a time.

    Raises
    ------
    DataError
        As ``read_npy``, at the piece that holds the fault.
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
            raise _damaged(EOFError(f"{left} of {shape[0]} rows are not there"), source)
        held += following


def _npy_start(raw: bytes) -> tuple[int, tuple[int, ...], bool, np.dtype[Any]] | None:
    """Where the numbers begin, and (shape, whether in Fortran's order, dtype); None if unknown."""
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
    """All arrays in an npz file by key.

    Raises
    ------
    DataError
        If it is damaged, or an array holds objects.
    """
    if not raw.startswith(b"PK"):
        raise DataError("not an npz file: it is no zip archive", source=source)
    archive = _load(io.BytesIO(raw), source)
    members = getattr(archive, "files", [])
    listed = archive.zip.namelist() if members else []
    if not members or not all(name.endswith(".npy") for name in listed):
        raise DataError("a zip archive, but not of NumPy arrays", source=source)
    return {key: _sound(_member(archive, key, source), source, key) for key in members}


def _member(archive: Any, key: str, source: str) -> Array:
    try:
        found: Array = archive[key]
    except _BROKEN as cause:
        raise _damaged(cause, source, key) from cause
    return found


def read_npz(raw: bytes, source: str, *, labels: str | None = None) -> Rows:
    """The inputs of an npz file as ``values``, and its labels if it has any.

    Parameters
    ----------
    labels
        Key of the labels; by default y, Y or labels.

    Raises
    ------
    DataError
        If it is damaged, or its keys do not say which array is which.
    """
    arrays = load_npz(raw, source)
    if labels is not None and labels not in arrays:
        there = ", ".join(arrays)
        raise DataError(f"no array {quoted(labels)}", source=source, hint=f"keys there: {there}")
    answers = [labels] if labels else [k for k in arrays if k.lower() in _LABEL_KEYS]
    inputs = [k for k in arrays if k.lower() in _INPUT_KEYS and k not in answers]
    if not inputs and len(arrays) - len(answers) == 1:
        inputs = [k for k in arrays if k not in answers]
    if len(inputs) != 1 or len(answers) > 1:
        several = inputs if len(inputs) > 1 else answers if len(answers) > 1 else list(arrays)
        raise DataError(
            f"which array is the input, which the labels? keys: {', '.join(several)}",
            source=source,
            hint="name one x, X, rows or features, and if there are labels one y or labels",
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
            f"{where}holds Python objects, which are not read for safety",
            source=source,
            hint="save numbers or text: array.astype(float) or array.astype(str)",
        )
    return DataError(
        f"{where}damaged or cut short ({type(cause).__name__}: {cause})",
        source=source,
        hint="copy or write the file again",
    )


def _sound(array: Any, source: str, key: str | None = None) -> Array:
    where = f"array {quoted(key)}: " if key is not None else ""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufUS":
        found = getattr(array, "dtype", type(array).__name__)
        raise DataError(f"{where}wanted numbers or text, found {found}", source=source)
    if array.ndim == 0:
        raise DataError(f"{where}wanted an array of rows, found a single value", source=source)
    return array


def read_idx(raw: bytes, source: str) -> Rows:
    """The array in an IDX file as ``values`` (n, *shape); read-only, in native byte order.

    Raises
    ------
    DataError
        If it is not IDX, or its length is not what its header says.
    """
    code, axes = (raw[2], raw[3]) if len(raw) >= 4 else (0, 0)
    if raw[:2] != b"\0\0" or code not in _IDX_TYPES or axes == 0:
        raise DataError(
            f"not an IDX file: it begins with {raw[:4].hex(' ')}, wanted 00 00, a type byte and "
            "the number of axes",
            source=source,
        )
    start = 4 + 4 * axes
    dtype = np.dtype(_IDX_TYPES[code])
    sizes = np.frombuffer(raw[4:start][: (len(raw[4:start]) // 4) * 4], ">u4").tolist()
    want = start + math.prod(sizes) * dtype.itemsize
    if len(raw) != want:
        fault = "cut short" if len(raw) < want else "longer than its header says"
        raise DataError(
            f"the IDX file is {fault}: {len(raw)} bytes, wanted {want} for {sizes}", source=source
        )
    found = np.frombuffer(raw, dtype, offset=start).reshape(sizes)
    return Rows(found.astype(dtype.newbyteorder("="), copy=False), source=source)
