"""How many threads the matrix products use.

NumPy's BLAS takes all cores for every product. On products of a few million operations a second
thread gains little, and when anything else runs it costs: calls were seen to stall for 3 to 116 ms.
So small networks are trained on one thread.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["blas_threads", "threads_for"]

# From here on a second thread was measured to gain 1.5x; below, at most 1.2x.
_WORTH_FLOPS = 17e6

_NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)


def threads_for(macs: int, rows: int) -> int | None:
    """1 if the largest product, of ``macs`` a row and ``rows`` rows, is small; else None (all)."""
    return 1 if 2 * macs * rows < _WORTH_FLOPS else None


@cache
def _controls() -> tuple[Any, Any] | None:
    """(get, set) of the OpenBLAS that NumPy's wheel brings, or None if it has another BLAS."""
    package = Path(np.__file__).parent
    folders = (package.parent / "numpy.libs", package / ".dylibs")
    for path in sorted(p for f in folders if f.is_dir() for p in f.glob("*openblas*")):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for name in _NAMES:
            read = getattr(library, name.format("get"), None)
            write = getattr(library, name.format("set"), None)
            if read is not None and write is not None:
                return read, write
    return None


@contextmanager
def blas_threads(count: int | None) -> Iterator[None]:
    """Let matrix products use at most ``count`` threads inside the block; None changes nothing.

    The setting is the process's: other threads see it too. Without NumPy's own OpenBLAS the
    package threadpoolctl is asked, if it is installed; else nothing happens.
    """
    if count is None:
        yield
        return
    controls = _controls()
    if controls is None:
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            yield
            return
        with threadpool_limits(count, "blas"):
            yield
        return
    read, write = controls
    before = int(read())
    write(min(count, before))
    try:
        yield
    finally:
        write(before)
