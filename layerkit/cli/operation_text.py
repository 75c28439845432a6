"""Operations of a graph as text, as their author would write them: ``x @ W``, ``rng.random(n)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from layerkit.recording.counting import Size
from layerkit.recording.graph import LEAVES, Count, Node, Slice

_SIGNS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "power": "**",
    "matmul": "@",
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
    "equal": "==",
    "not_equal": "!=",
    "bitwise_and": "&",
    "bitwise_or": "|",
    "floor_divide": "//",
    "remainder": "%",
}
NAMED = ("input", "param", "state", "number")
"""Leaves that have a name of their own."""


def text_of(node: Node, names: Mapping[int, str]) -> str:
    """How ``node`` is computed from what has a name."""
    args = [operand(arg, names) for arg in node.args]
    if node.op in _SIGNS and len(args) == 2:
        return f"{args[0]} {_SIGNS[node.op]} {args[1]}"
    if node.op == "negative":
        return f"-{args[0]}"
    if node.op in ("index", "gather"):
        return f"{args[0]}[{_keys(node.args[1], names)}]"
    if node.op == "set":
        return f"set({args[0]}, [{_keys(node.args[1], names)}], {args[2]})"
    if node.op == "at":
        place = _keys(node.args[1], names)
        return f"{node.kw['ufunc']}.at({args[0]}, [{place}], {args[2]})"
    if node.op == "astype":
        return f"{args[0]}.astype({args[1]})"
    if node.op == "random":
        method, given, named, *_ = node.args
        return _call(f"rng.{method}", map(_operand_in(names), given), dict(named), names)
    name = getattr(node.fn, "__name__", "call") if node.op == "call" else node.op
    args = [
        f'"{a}"' if isinstance(given, str) else a for a, given in zip(args, node.args, strict=True)
    ]
    return _call(name, args, node.kw, names)


def _call(name: str, args: Any, kw: Mapping[str, Any], names: Mapping[int, str]) -> str:
    """A call, without the arguments that say nothing; one axis without its brackets."""
    told = {k: v for k, v in kw.items() if v is not None and v is not False}
    if isinstance(axis := told.get("axis"), tuple) and len(axis) == 1:
        told["axis"] = axis[0]
    return f"{name}({', '.join([*args, *(f'{k}={operand(v, names)}' for k, v in told.items())])})"


def _operand_in(names: Mapping[int, str]) -> Callable[[Any], str]:
    return lambda value: operand(value, names)


def operand(value: Any, names: Mapping[int, str]) -> str:
    """An argument of an operation: the name of a node, or the value of a constant."""
    if isinstance(value, tuple) and not isinstance(value, (Count, Slice)):
        inner = ", ".join(operand(one, names) for one in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if not isinstance(value, Node):
        return _constant(value)
    if id(value) in names:
        return names[id(value)]
    if value.op in NAMED:
        return str(value.args[0])
    if value.op in LEAVES:
        return "arange(n)" if value.op == "arange" else _constant(value.value)
    inner = operand(value.args[0], names)
    return f"{inner}.T" if is_transposed(value) else inner


def _constant(value: Any) -> str:
    """A constant as people write it."""
    if isinstance(value, Count):
        return count_text(value)
    if isinstance(value, np.ndarray) and value.ndim:
        return str(value.tolist()) if value.size <= 4 else f"constants {value.shape}"
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.item()
    if isinstance(value, (np.dtype, type)):
        return np.dtype(value).name
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def size_text(size: Size | None) -> str:
    """A number that grows with the rows: ``16 n``; of what is unknown ``?``.

    >>> [size_text(size) for size in (Size(7), Size(0, 1600), Size(1, 0, 4), Size(0, 1), None)]
    ['7', '1,600 n', '4 n^2 + 1', 'n', '?']
    """
    if size is None:
        return "?"
    powers = (size.squares, " n^2"), (size.rows, " n"), (size.fixed, "")
    terms = [f"{a:,}{power}" if a != 1 or not power else power.strip() for a, power in powers if a]
    return " + ".join(terms) or "0"


def count_text(number: Any) -> str:
    """A number that may depend on n: ``3 n + 1``, ``2 / n``.

    >>> [count_text(number) for number in (Count(1), Count(16, 2), Count(1, 0, 3), 1234)]
    ['n', '16 n + 2', '1 / (3 n)', '1,234']
    """
    if not isinstance(number, Count):
        return _plain(number)
    if number.per:
        rows = "n" if number.per == 1 else f"({_plain(number.per)} n)"
        return f"{_plain(number.a)} / {rows}"
    rows = "n" if number.a == 1 else f"{_plain(number.a)} n"
    sign = "-" if number.b < 0 else "+"
    return f"{rows} {sign} {_plain(abs(number.b))}" if number.b else rows


def _plain(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number:.8g}"


def _keys(keys: Any, names: Mapping[int, str]) -> str:
    """The inside of square brackets."""
    words = []
    for key in keys if type(keys) is tuple else (keys,):
        if isinstance(key, Slice):
            start, stop, step = ("" if v is None else _constant(v) for v in key)
            words.append(f"{start}:{stop}" + (f":{step}" if step else ""))
        else:
            words.append("None" if key is None else operand(key, names))
    return ", ".join(words)


def dtype_name(node: Node) -> str:
    """The dtype; a Python number takes that of the arrays that it meets."""
    return "number" if node.dtype is None else np.dtype(node.dtype).name


def is_transposed(node: Node) -> bool:
    """Whether ``node`` is some array's ``.T``."""
    return node.op == "transpose" and node.args[1] == tuple(range(len(node.shape)))[::-1]
