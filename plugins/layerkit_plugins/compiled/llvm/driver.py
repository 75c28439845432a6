"""The constant part of the machine code: loops over a table of layers.

A row of the table holds the addresses of the functions ``feed`` and ``back`` of its layer, and what
they need. The last row may be a loss.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from layerkit_plugins.compiled.llvm.emit import Function, Value
from layerkit_plugins.compiled.llvm.machine import addresses, callable_at

_TABLE = "ptr %table, i64 %count, i64 %width, i64 %n, ptr %gemm"
_PASSED = "ptr %table, i64 %count, i64 %width"


def _walk(name: str, cell: int, *, backwards: bool) -> str:
    """Call the function in ``cell`` of each row."""
    f = Function(f"define void @{name}({_TABLE})")
    count, width = Value(f, "%count", "i64"), Value(f, "%width", "i64")
    with f.loop("%count") as i:
        index = Value(f, i, "i64")
        if backwards:
            index = count - 1 - index
        row = f.at("i64", "%table", (index * width).text)
        function = f.load("ptr", f.at("i64", row, str(cell))).text
        f.do(f"call void {function}(ptr {row}, i64 %n, ptr %gemm)")
    return f.text()


def _learn() -> str:
    """Feed, the weighted sum of the losses, and backprop if it is finite."""
    f = Function(f"define double @learn({_TABLE}, ptr %losses, ptr %weights)")
    f.do(f"call void @feed({_PASSED}, i64 %n, ptr %gemm)")
    total = f.room("double", f.number(0, "double").text)
    with f.loop("%n") as i:
        loss, weight = (f.load("float", a, i).to("double") for a in ("%losses", "%weights"))
        f.store(f.load("double", total) + loss * weight, total)
    lost = f.load("double", total)
    finite = (lost - lost).compare("oeq", 0)
    rows = finite.choose(Value(f, "%count", "i64"), 0)
    f.do(f"call void @back(ptr %table, i64 {rows.text}, i64 %width, i64 %n, ptr %gemm)")
    return f.text(f"ret double {lost.text}")


def _row() -> str:
    """Feed one row; 1 if its numbers x and the results y are finite, else 0."""
    f = Function(f"define i32 @row({_PASSED}, ptr %gemm, ptr %x, i64 %i, ptr %y, i64 %o)")
    odd = f.room("i32", "0")

    def check(array: str, size: str) -> None:
        with f.loop(size) as j:
            value = f.load("float", array, j)
            wrong = (value - value).compare("une", 0).to("i32")
            f.store(f.load("i32", odd) | wrong, odd)

    check("%x", "%i")
    f.do(f"call void @feed({_PASSED}, i64 1, ptr %gemm)")
    check("%y", "%o")
    good = f.load("i32", odd).compare("eq", 0).to("i32")
    return f.text(f"ret i32 {good.text}")


_NUMBER, _POINTER = ctypes.c_int64, ctypes.c_void_p
_GIVEN = _POINTER, _NUMBER, _NUMBER
_TYPES: dict[str, tuple[Any, ...]] = {
    "feed": (None, *_GIVEN, _NUMBER, _POINTER),
    "back": (None, *_GIVEN, _NUMBER, _POINTER),
    "learn": (ctypes.c_double, *_GIVEN, _NUMBER, _POINTER, _POINTER, _POINTER),
    "row": (ctypes.c_int, *_GIVEN, _POINTER, _POINTER, _NUMBER, _POINTER, _NUMBER),
}


@cache
def functions() -> dict[str, Any]:
    """The functions of the driver by name; they run without the interpreter's lock."""
    walks = _walk("feed", 0, backwards=False), _walk("back", 1, backwards=True)
    found = addresses("\n".join([*walks, _learn(), _row()]), tuple(_TYPES))
    return {name: callable_at(found[name], *types) for name, types in _TYPES.items()}
