"""The vocabulary of the format: data types, and the patterns that names must match.

Patterns are used with ``fullmatch`` only, so a trailing newline never slips through.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np

from layerkit.display import quoted

# Rule 4.1: format name -> NumPy dtype, little-endian on every machine.
DTYPES: dict[str, np.dtype[Any]] = {
    "bool": np.dtype("?"),
    "i8": np.dtype("i1"),
    "i16": np.dtype("<i2"),
    "i32": np.dtype("<i4"),
    "i64": np.dtype("<i8"),
    "u8": np.dtype("u1"),
    "u16": np.dtype("<u2"),
    "u32": np.dtype("<u4"),
    "u64": np.dtype("<u8"),
    "f16": np.dtype("<f2"),
    "f32": np.dtype("<f4"),
    "f64": np.dtype("<f8"),
    "c64": np.dtype("<c8"),
    "c128": np.dtype("<c16"),
}
_BY_KIND = {(dtype.kind, dtype.itemsize): name for name, dtype in DTYPES.items()}

# Rule 3.6: the parts beside layers that may have a record in ``types``.
GROUPS = (
    *("activations", "callbacks", "data", "initializers", "losses", "metrics", "optimizers"),
    "schedules",
)

ROLES = ("param", "state", "optimizer", "history", "selftest")

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_:@-]*"
_TENSOR_NAME = re.compile(rf"{_SEGMENT}(?:[./]{_SEGMENT})*")
_PARAM_NAME = re.compile(rf"(?:{_SEGMENT}\.)+{_SEGMENT}")
LAYER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
TYPE_KEY = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?")
DIST = re.compile(r"(?=.{1,128}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!_-]{0,63}")
FEATURE = re.compile(r"[a-z0-9][a-z0-9._:-]{0,63}")
PRODUCER = re.compile(r"[A-Za-z0-9._-]{1,64}")
HEX32 = re.compile(r"[0-9a-f]{32}")


def format_dtype(dtype: np.dtype[Any]) -> str | None:
    """The format's name for a NumPy dtype of either byte order, or None."""
    return None if dtype.fields else _BY_KIND.get((dtype.kind, dtype.itemsize))


def is_int(value: object, low: int = 0, high: int = 2**63 - 1) -> TypeGuard[int]:
    """True for an int (not a bool) from ``low`` to ``high``."""
    return type(value) is int and low <= value <= high


def is_finite_float(value: object) -> TypeGuard[float]:
    """True for a finite float; ints do not count."""
    return type(value) is float and math.isfinite(value)


def matches(value: object, pattern: re.Pattern[str]) -> TypeGuard[str]:
    """True for a str that matches from its first character to its last."""
    return type(value) is str and pattern.fullmatch(value) is not None


def is_tensor_name(value: object) -> TypeGuard[str]:
    """Rule 4.3: 1 to 256 characters, segments joined by single ``.`` or ``/``."""
    return type(value) is str and len(value) <= 256 and _TENSOR_NAME.fullmatch(value) is not None


def is_param_name(value: object) -> TypeGuard[str]:
    """Rule 4.3, roles param and state: a layer path, a dot, a parameter name."""
    return type(value) is str and len(value) <= 256 and _PARAM_NAME.fullmatch(value) is not None


def describe_value(value: object) -> str:
    """A value out of a file as messages show it: short, for any size."""
    if isinstance(value, dict):
        return f"a map of {len(value)}"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if value is None:
        return "nil"
    return quoted(value)


def below(where: str, key: str) -> str:
    """The path of the field ``key`` of the map at ``where``, for a message."""
    if LAYER_NAME.fullmatch(key) is None:
        return f"{where}[{describe_value(key)}]"
    return f"{where}.{key}" if where else key


def leaves(value: object, where: str) -> Iterator[tuple[str, object]]:
    """Path and value of everything in ``value`` but containers; very long paths are cut."""
    todo = [iter([(where, value)])]
    while todo:
        for at, item in todo[-1]:
            if isinstance(item, dict | list):
                todo.append(_inside(item, at[-400:]))
                break
            yield at, item
        else:
            todo.pop()


def _inside(held: dict[str, Any] | list[Any], where: str) -> Iterator[tuple[str, object]]:
    if isinstance(held, dict):
        return ((below(where, key), item) for key, item in held.items())
    return ((f"{where}[{index}]", item) for index, item in enumerate(held))
