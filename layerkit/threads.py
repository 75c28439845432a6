"""How many threads the matrix products use.

NumPy's BLAS takes all cores for every product. On small networks a second thread gains little, and
when anything else runs it costs much: an epoch was seen to take ten times as long. It also changes
the last bits. So training takes one thread, and gives equal bytes whatever the number of cores;
``LAYERKIT_THREADS`` asks for more.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.errors import LayerkitError

__all__ = ["blas_threads", "training_threads"]

_NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)


def training_threads() -> int:
    """Threads for the matrix products of a training: ``LAYERKIT_THREADS``, or 1.

    Raises
    ------
    LayerkitError
        If the variable is no whole number of at least 1.
    """
    word = os.environ.get("LAYERKIT_THREADS", "1")
    if not word.isdecimal() or int(word) < 1:
        raise LayerkitError(f"LAYERKIT_THREADS is {word!r}; a whole number of at least 1 is wanted")
    return int(word)


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
def blas_threads(count: int) -> Iterator[None]:
    """Let matrix products use at most ``count`` threads inside the block.

    The setting is the process's: other threads see it too. Without NumPy's own OpenBLAS the
    package threadpoolctl is asked, if it is installed; else nothing happens.
    """
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
