"""Compiled kernels of the first-party parts, used if the ``fast`` extra (numba) is installed.

One pass over memory where NumPy takes five to ten (``gates``, ``elementwise``, ``steps``,
``losses``), and whole networks in one call (``rows``, ``batches``, which layers reach through
``program``). Each kernel computes, up to rounding, what the NumPy lines of its part compute; the
equations are there. numba compiles a kernel at its first use and caches the code beside this file.

Importing this module does not import numba; the kernels' modules do.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from layerkit import Activation

__all__ = [
    "DENSE",
    "HIGHWAY",
    "KEEPS_SLOPE",
    "PROJECTION",
    "RARE",
    "code_of",
    "kernels",
    "number_of",
]

DENSE, HIGHWAY, PROJECTION = 1, 2, 3  # kinds of layer; also the number of column blocks of W

_HOME = "layerkit_plugins.activations."
_NAMES = "relu tanh linear sigmoid elu selu leaky_relu softplus silu gelu"
_NUMBERS = {_HOME + name: number for number, name in enumerate(_NAMES.split())}
_SETTINGS = {"elu": "alpha", "leaky_relu": "slope"}

RARE = 4
"""Activations from this number on are compiled only where they occur."""

KEEPS_SLOPE = 8
"""The slope of activations from this number on cannot be computed from the output."""


def number_of(code: int) -> int:
    """The number of the function in a code, without its setting."""
    return code & 255


def code_of(activation: Activation) -> int | None:
    """The code of an activation, None if there are no kernels for it.

    Its lowest 8 bits are the number of the function, the 32 above them its setting as a float32.
    """
    kind = type(activation)
    number = _NUMBERS.get(kind.__module__)
    if number is None or kind.type_name not in _NAMES.split():
        return None
    setting = getattr(activation, _SETTINGS.get(kind.type_name, ""), 0.0)
    return number | int(np.float32(setting).view(np.uint32)) << 8


@cache
def kernels(name: str) -> Any:
    """The module of kernels called ``name``; its first use imports it, and numba with it."""
    return import_module(f"layerkit_plugins.compiled.{name}")
