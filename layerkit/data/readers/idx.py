"""IDX files, the format of MNIST.

Two zero bytes, a type byte, the number of axes, one big-endian 32-bit size per axis, then the
numbers in C order, big-endian.
"""

from __future__ import annotations

import math

import numpy as np

from layerkit.core.rows import Rows
from layerkit.errors import DataError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(raw: bytes, source: str) -> Rows:
    """The array in an IDX file as ``values`` (n, *shape); read-only, in native byte order.

    Raises DataError if it is not IDX, or not as long as its header says.
    """
    code, axes = (raw[2], raw[3]) if len(raw) >= 4 else (0, 0)
    if raw[:2] != b"\0\0" or code not in _TYPES or axes == 0:
        raise DataError(
            f"not an IDX file: expected 00 00, a type byte and the number of axes, got "
            f"{raw[:4].hex(' ')}",
            source=source,
        )
    start = 4 + 4 * axes
    dtype = np.dtype(_TYPES[code])
    header = raw[4:start]
    sizes = np.frombuffer(header[: len(header) // 4 * 4], ">u4").tolist()
    size = start + math.prod(sizes) * dtype.itemsize
    if len(raw) != size:
        fault = "cut short" if len(raw) < size else "longer than its header says"
        raise DataError(
            f"the IDX file is {fault}: expected {size} bytes for {sizes}, got {len(raw)}",
            source=source,
        )
    found = np.frombuffer(raw, dtype, offset=start).reshape(sizes)
    return Rows(found.astype(dtype.newbyteorder("="), copy=False), source=source)
