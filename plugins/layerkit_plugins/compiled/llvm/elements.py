"""One element of each node of a loop: operations on numbers in registers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layerkit.recording.graph import VIEWS, Count, Node
from layerkit_plugins.compiled.llvm import scalars
from layerkit_plugins.compiled.llvm.emit import Function, Value
from layerkit_plugins.compiled.llvm.places import (
    Dim,
    N,
    NotCompiled,
    Place,
    Size,
    is_same,
    unknown,
)

if TYPE_CHECKING:
    from layerkit_plugins.compiled.llvm.lowering import Code

Pointer = Callable[[Place], str]
"""The argument of a kernel that points to where a value starts."""

_Operand = Value | float

_KINDS = {
    "float32": ("float", "float"),
    "bool": ("i1", "i8"),
    "int64": ("i64", "i64"),
    "int32": ("i64", "i32"),
}
"""LLVM's types of a value in a register and in memory."""


def register_of(node: Node) -> str:
    """LLVM's type of a value in a register; NotCompiled for other dtypes."""
    return _kinds(node)[0]


def memory_of(node: Node) -> str:
    """LLVM's type of a value in memory; NotCompiled for other dtypes."""
    return _kinds(node)[1]


def _kinds(node: Node) -> tuple[str, str]:
    kinds = _KINDS.get(str(node.dtype))
    if kinds is None:
        raise NotCompiled(f"values of {node.dtype}")
    return kinds


class Element:
    """One element of all nodes of a loop: ``values`` in registers by id of the node.

    Raises
    ------
    NotCompiled
        From all methods: the reason why a node is not compiled.
    """

    def __init__(self, code: Code, f: Function, pointer: Pointer, index: Sequence[str]) -> None:
        self.code, self.f, self.pointer, self._index = code, f, pointer, index
        self.values: dict[int, Value] = {}

    def index(self, dims: Sequence[Dim]) -> list[str]:
        """The index for a node of the loop; its axes of one element take no part."""
        rest = iter(self._index)
        return ["0" if dim == 1 else next(rest) for dim in dims]

    def compute(self, node: Node) -> None:
        """Emit one node."""
        kind = register_of(node)
        given = [] if node.op in _SPECIAL else [self.operand(arg, node) for arg in node.args]
        if node.kw and node.op not in _SPECIAL:
            raise unknown(node, f" with {', '.join(node.kw)}")
        self.values[id(node)] = self._apply(node, kind, given).to(kind)

    def operand(self, arg: Any, node: Node) -> _Operand:
        """An argument of ``node``: a number in a register, or one of Python's."""
        if isinstance(arg, Count):
            return self._count(arg, register_of(node))
        if not isinstance(arg, Node):
            if isinstance(arg, (bool, int, float, np.bool_, np.integer, np.floating)):
                return arg.item() if isinstance(arg, np.generic) else arg
            raise unknown(node, f" with {arg!r}")
        base = self._base(arg)
        if id(base) in self.values:
            return self.values[id(base)]
        if arg.dtype is None:
            return self._number_of_step(arg)
        if base.op == "const" and np.size(base.value) == 1:
            value: float = np.asarray(base.value).item()
            return value
        if arg.op == "arange":
            after = len(arg.shape) - arg.shape.index(N)  # counted from the last axis
            return Value(self.f, self.index(self.code.dims(node))[-after], "i64")
        return self.load(self.code.place(arg), node)

    def _base(self, node: Node) -> Node:
        """The node with the same elements in the same order, without views."""
        while node.op in VIEWS and id(node) not in self.code.memory.homes and is_same(node):
            node = node.args[0]
        return node

    def load(self, place: Place, node: Node) -> Value:
        """The element of an array that takes part in ``node``, from memory."""
        index = self.index(self.code.dims(node))
        own = index[len(index) - len(place.dims) :]  # where it has one element, its stride is 0
        return self._loaded(place, self.code.element(self.f, place.strides, own))

    def _loaded(self, place: Place, at: str) -> Value:
        value = self.f.load(place.kind, self.pointer(place), at)
        return value.to({"i8": "i1", "i32": "i64"}.get(place.kind, place.kind))

    def _number_of_step(self, node: Node) -> Value:
        known = [k for k, other in enumerate(self.code.numbers) if other is node]
        if not known:
            self.code.numbers.append(node)
        cell = "number", *(known or [len(self.code.numbers) - 1])
        loaded = self.code.cell(self.f, cell, "double")
        return self.f.once((cell, "float"), lambda: loaded.to("float"))

    def _count(self, count: Count, kind: str) -> Value:
        """A number that depends on n; whole among whole numbers."""
        wide, kind = ("i64", "i64") if kind == "i64" else ("double", "float")

        def compute() -> Value:
            n, number = Value(self.f, "%n", "i64").to(wide), self.f.number(count.a, wide)
            found = number / (n * count.per) if count.per else number * n + count.b
            return found.to(kind)

        return self.f.once((count, kind), compute)

    def _apply(self, node: Node, kind: str, given: list[_Operand]) -> Value:
        special = _SPECIAL.get(node.op)
        if special is not None:
            return special(self, node)
        if not isinstance(node.fn, np.ufunc):
            raise unknown(node)
        if node.op in scalars.COMPARISONS:
            return self._compare(node.op, given)
        if node.op == "power":
            return self._power(given)
        if node.op in scalars.TESTS and all(_is_float(v) for v in given):
            return scalars.TESTS[node.op](*given)
        tables = {"float": scalars.FLOATS, "i64": scalars.INTEGERS, "i1": scalars.BOOLEANS}
        function = tables[kind].get(node.op)
        if function is None:
            raise unknown(node)
        return function(*(self.number(value, kind) for value in given))

    def number(self, value: _Operand, kind: str) -> Value:
        """An operand as a number of ``kind``."""
        if isinstance(value, Value):
            if kind == "i1" and value.kind != "i1":
                raise NotCompiled("a test of numbers as truth values")
            if kind == "i64" and value.kind == "float":
                raise NotCompiled("a float made an integer")
            return value.to(kind)
        return self.f.number(value, kind)

    def _compare(self, op: str, given: list[_Operand]) -> Value:
        of_floats, of_integers = scalars.COMPARISONS[op]
        kinds = {v.kind for v in given if isinstance(v, Value)}
        kinds |= {"float" for v in given if isinstance(v, float)}
        kind = "i64"
        if "float" in kinds:
            kind = "double" if "i64" in kinds else "float"
        a, b = (self.number(value, kind) for value in given)
        return a.compare(of_integers if kind == "i64" else of_floats, b)

    def _power(self, given: list[_Operand]) -> Value:
        x, exponent = given
        if not _is_float(x) or isinstance(exponent, Value):
            raise NotCompiled("power with an exponent that is not a number")
        assert isinstance(x, Value)  # noqa: S101  # _is_float
        if exponent not in scalars.POWERS:
            raise NotCompiled(f"power with the exponent {exponent}")
        return scalars.POWERS[exponent](x)

    # What is no ufunc

    def where(self, node: Node) -> Value:
        """One of two values."""
        test, yes, no = (self.operand(arg, node) for arg in node.args)
        kind = register_of(node)
        return self.number(test, "i1").choose(self.number(yes, kind), self.number(no, kind))

    def convert(self, node: Node) -> Value:
        """``copy`` and ``astype``."""
        kind = register_of(node)
        value = self.operand(node.args[0], node)
        if isinstance(value, Value) and kind == "i1":  # not zero
            return value.to(kind)
        return self.number(value, kind)

    def clip(self, node: Node) -> Value:
        """A value held between two others."""
        given = [self.operand(arg, node) for arg in node.args]
        if node.kw or register_of(node) != "float":
            raise NotCompiled("clip of other than floats")
        x, *bounds = (None if v is None else self.number(v, "float") for v in given)
        return scalars.FLOATS["clip"](x, *bounds)

    def reshape(self, node: Node) -> Value:
        """A reshape that is computed, not a view: a copy."""
        return self.load(self.code.view(node), node)

    def gather(self, node: Node) -> Value:
        """``array[i, j, ...]`` with a number or array of integers for each axis."""
        array, keys = node.args
        place = self.code.place(array)
        keys = keys if isinstance(keys, tuple) else (keys,)
        if len(keys) != len(place.dims) or place.kind != "float":
            raise NotCompiled("an index by arrays that leaves axes")
        total, inside = self.f.number(0, "i64"), self.f.number(1, "i1")
        for key, dim, stride in zip(keys, place.dims, place.strides, strict=True):
            i, valid = self._position(self.operand(key, node), dim)
            inside = inside & valid
            total = total + valid.choose(i, 0) * self._size(stride)
        found = self.f.load("float", self.pointer(place), total.text)
        return inside.choose(found, math.nan)  # eager, it is an error: here, no finite loss

    def _size(self, size: Size) -> Value:
        return Value(self.f, self.code.size(self.f, size), "i64")

    def _position(self, given: _Operand, dim: Dim) -> tuple[Value, Value]:
        """An index counted from the start, and whether it is one."""
        if isinstance(given, float) or (isinstance(given, Value) and given.kind != "i64"):
            raise NotCompiled("an index that is no integer")
        i, count = self.number(given, "i64"), self._size(Size.of(dim))
        i = i.compare("slt", 0).choose(i + count, i)
        return i, i.compare("ult", count)

    def replace(self, node: Node) -> Value:
        """A copy of (n, k) with one element of each row replaced: ``array[arange, j] = value``."""
        array, keys, value = node.args
        by_row = (
            isinstance(keys, tuple) and len(keys) == len(node.shape) == 2 and node.shape[0] == N
        )
        if not by_row or not isinstance(keys[0], Node) or keys[0].op != "arange":
            raise NotCompiled("an assignment to other than one element of each row")
        row, column = self.index(self.code.dims(node))
        j, _ = self._position(self._of_row(keys[1], node, row), node.shape[1])
        new = self._of_row(value, node, row)
        hit = j.compare("eq", Value(self.f, column, "i64"))
        kind = register_of(node)
        old = self.number(self.operand(array, node), kind)
        return hit.choose(self.number(new, kind), old)

    def _of_row(self, arg: Any, node: Node, row: str) -> _Operand:
        if not isinstance(arg, Node) or arg.shape == () or id(self._base(arg)) in self.values:
            return self.operand(arg, node)
        place = self.code.place(arg)
        if place.dims != node.shape[:1]:
            raise NotCompiled("an assignment of other than one value for each row")
        return self._loaded(place, self.code.element(self.f, place.strides, [row]))


def _is_float(value: _Operand) -> bool:
    return isinstance(value, Value) and value.kind == "float"


_SPECIAL: dict[str, Callable[[Element, Node], Value]] = {
    "where": Element.where,
    "astype": Element.convert,
    "copy": Element.convert,
    "snapshot": Element.convert,
    "clip": Element.clip,
    "reshape": Element.reshape,
    "gather": Element.gather,
    "set": Element.replace,
}
