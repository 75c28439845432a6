"""Compiled kernels of the first-party parts, used where the ``fast`` extra (numba) is installed.

One pass over memory where NumPy takes five to ten (``gates``, ``elementwise``, ``steps``,
``losses``), and whole networks in one call (``rows``, ``batches``; layers come to them through
``program``). Each kernel computes, to rounding, what the NumPy lines of its part compute; the
equations are there. numba compiles a kernel at its first use and keeps the code beside this file
for the next process.

Importing this page does not import numba; the kernels' modules do.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["DENSE", "HIGHWAY", "PROJECTION", "code_of", "kernels"]

DENSE, HIGHWAY, PROJECTION = 1, 2, 3  # kinds of layer; also the number of column blocks of W

_CODES = {"relu": 0, "tanh": 1, "linear": 2, "sigmoid": 3}


def code_of(activation: str | Mapping[str, Any]) -> int | None:
    """The number by which the kernels know an activation without settings; None: they do not."""
    return _CODES.get(activation) if isinstance(activation, str) else None


@cache
def kernels(name: str) -> Any:
    """The module of kernels called ``name``, imported, and numba with it, when first wanted."""
    return import_module(f"layerkit_plugins.compiled.{name}")
