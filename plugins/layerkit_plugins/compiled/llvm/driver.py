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

JOB = (
    *("table", "count", "width", "n", "gemm"),
    *("x", "y", "inputs", "outputs"),  # of a single row, and their sizes
    *("losses", "weights"),
)
"""The 64-bit numbers at the address that each function of the driver is given."""


def _given(f: Function, name: str) -> Value:
    """A number of the job; addresses are pointers."""
    kind = "i64" if name in ("count", "width", "n", "inputs", "outputs") else "ptr"
    return f.value(f"load {kind}, ptr {f.at('i64', '%job', str(JOB.index(name)))}", kind)


def _walk(name: str, cell: int, *, backwards: bool) -> str:
    """Call the function in ``cell`` of each row."""
    f = Function(f"define void @{name}(ptr %job)")
    table, count, width, n, gemm = (_given(f, name) for name in JOB[:5])
    with f.loop(count.text) as i:
        index = Value(f, i, "i64")
        if backwards:
            index = count - 1 - index
        row = f.at("i64", table.text, (index * width).text)
        function = f.load("ptr", f.at("i64", row, str(cell))).text
        f.do(f"call void {function}(ptr {row}, i64 {n.text}, ptr {gemm.text})")
    return f.text()


def _learn() -> str:
    """Feed, the weighted sum of the losses, and backprop if it is finite."""
    f = Function("define double @learn(ptr %job)")
    f.do("call void @feed(ptr %job)")
    arrays = [_given(f, name).text for name in ("losses", "weights")]
    total = f.room("double", f.number(0, "double").text)
    with f.loop(_given(f, "n").text) as i:
        loss, weight = (f.load("float", array, i).to("double") for array in arrays)
        f.store(f.load("double", total) + loss * weight, total)
    lost = f.load("double", total)
    with f.loop((lost - lost).compare("oeq", 0).to("i64").text):  # once or never
        f.do("call void @back(ptr %job)")
    return f.text(f"ret double {lost.text}")


def _row() -> str:
    """Feed one row; 1 if its numbers x and the results y are finite, else 0."""
    f = Function("define i32 @row(ptr %job)")
    odd = f.room("i32", "0")

    def check(array: str, size: str) -> None:
        with f.loop(_given(f, size).text) as j:
            value = f.load("float", _given(f, array).text, j)
            wrong = (value - value).compare("une", 0).to("i32")
            f.store(f.load("i32", odd) | wrong, odd)

    check("x", "inputs")
    f.do("call void @feed(ptr %job)")
    check("y", "outputs")
    good = f.load("i32", odd).compare("eq", 0).to("i32")
    return f.text(f"ret i32 {good.text}")


@cache
def functions() -> dict[str, Any]:
    """The functions of the driver by name; they run without the interpreter's lock."""
    results = {"feed": None, "back": None, "learn": ctypes.c_double, "row": ctypes.c_int}
    walks = _walk("feed", 0, backwards=False), _walk("back", 1, backwards=True)
    found = addresses("\n".join([*walks, _learn(), _row()]), tuple(results))
    return {name: callable_at(found[name], kind, ctypes.c_void_p) for name, kind in results.items()}
