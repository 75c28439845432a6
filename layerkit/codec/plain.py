"""Converting values to plain ones before they are written (rule 9.1).

NumPy scalars, arrays and tuples become ints, floats and lists; other types are refused, with their
path. Nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from layerkit.codec.limits import Limits
from layerkit.codec.names import below
from layerkit.errors import LimitExceededError, MalformedFileError, ModelFileError, SpecError


def fault(where: str, reason: str) -> ModelFileError:
    """The error for a value at ``where`` that cannot be saved: a SpecError inside the spec."""
    if where == "spec" or where.startswith(("spec.", "spec[")):
        return SpecError(reason, location=where)
    return MalformedFileError(reason, at=where)


def plain(
    value: object, where: str, limits: Limits, *, nonfinite: bool = False, depth: int = 1
) -> Any:
    """``value`` as plain dicts, lists, strings, ints, floats, bools and None.

    ``where`` is its path, for errors. NaN and infinities are allowed if ``nonfinite`` (rule 2.6).
    Raises LimitExceededError, for ``depth`` also if a container contains itself.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = _from_numpy(value, where)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where, limits)
    if isinstance(value, int):
        number = int(value)
        if not -(2**63) <= number < 2**64:
            raise fault(where, "an int exceeds 64 bits")
        return number
    if isinstance(value, float):
        if not nonfinite and not isfinite(value):
            raise fault(where, f"{float(value)} may be under metrics and training only (rule 2.6)")
        return float(value)
    if not isinstance(value, Mapping | list | tuple):
        raise fault(where, f"a value of type {type(value).__name__} cannot be saved (rule 9.1)")
    if depth >= limits.depth:
        raise LimitExceededError.of_model("depth", depth + 1, limits.depth, where[:200])
    if len(value) > limits.items:
        raise LimitExceededError.of_model("items", len(value), limits.items, where)
    if isinstance(value, Mapping):
        pairs = [(_key(key, where, limits), item) for key, item in value.items()]
        return {
            key: plain(item, below(where, key), limits, nonfinite=nonfinite, depth=depth + 1)
            for key, item in pairs
        }
    return [
        plain(item, f"{where}[{index}]", limits, nonfinite=nonfinite, depth=depth + 1)
        for index, item in enumerate(value)
    ]


def _key(key: object, where: str, limits: Limits) -> str:
    if not isinstance(key, str):
        raise fault(where, f"expected a string as key, got {key!r:.80} (rule 2.4)")
    if key == "__proto__":
        raise fault(where, "the key '__proto__' is not allowed (rule 2.4)")
    return _text(key, where, limits)


def _text(value: str, where: str, limits: Limits) -> str:
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        raise fault(
            where, f"{value!a:.80} has a lone surrogate, so it is not UTF-8 (rule 2.5)"
        ) from None
    if size > limits.string_bytes:
        raise LimitExceededError.of_model("string_bytes", size, limits.string_bytes, where)
    return str.__str__(value)  # a plain string instead of a subclass (Enum, numpy.str_)


def _from_numpy(value: np.generic | np.ndarray[Any, Any], where: str) -> object:
    """A NumPy scalar, or an array of ints, floats or bools, as Python values."""
    dtype = value.dtype
    known = dtype.kind in "biuf" and dtype.itemsize <= 8
    if dtype.kind == "U" and isinstance(value, np.generic):
        known = True
    if not known or hasattr(value, "mask"):
        raise fault(where, f"a NumPy value of type {dtype} cannot be saved (rule 9.1)")
    return value.tolist()
