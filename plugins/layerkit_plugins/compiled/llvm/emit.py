"""A small writer of LLVM IR: functions, loops, and numbers with the operators of Python.

Loop counters live in ``alloca``s, which LLVM's first pass turns into registers: no block needs to
know its predecessors.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

ELEMENTWISE = "contract nsz"
"""Fast-math flags: NaN and infinity occur, so nothing else."""

SUM = "contract nsz reassoc"
"""Only sums may be reordered."""

_FLOATS = ("float", "double")


def constant(value: float, kind: str) -> str:
    """A number as IR text."""
    if kind == "i1":
        return str(bool(value)).lower()
    if kind.startswith("i"):
        return str(int(value))
    exact = float(np.float32(value)) if kind == "float" else float(value)
    return "0x" + struct.pack(">d", exact).hex().upper()


class Value:
    """A number in a register: ``kind`` is its LLVM type."""

    __slots__ = ("kind", "of", "text")

    def __init__(self, of: Function, text: str, kind: str = "float") -> None:
        self.of, self.text, self.kind = of, text, kind

    def _wrap(self, other: Value | float) -> Value:
        if isinstance(other, Value):
            return other
        return Value(self.of, constant(other, self.kind), self.kind)

    def _do(self, word: str, a: Value | float, b: Value | float) -> Value:
        a, b = self._wrap(a), self._wrap(b)
        op = f"f{word} {self.of.flags}" if self.kind in _FLOATS else word
        return self.of.value(f"{op} {self.kind} {a.text}, {b.text}", self.kind)

    def __add__(self, other: Value | float) -> Value:
        return self._do("add", self, other)

    def __sub__(self, other: Value | float) -> Value:
        return self._do("sub", self, other)

    def __mul__(self, other: Value | float) -> Value:
        return self._do("mul", self, other)

    def __truediv__(self, other: Value | float) -> Value:
        return self._do("div", self, other)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: float) -> Value:
        return self._do("sub", other, self)

    def __rtruediv__(self, other: float) -> Value:
        return self._do("div", other, self)

    def __neg__(self) -> Value:
        return self.of.value(f"fneg {self.of.flags} {self.kind} {self.text}", self.kind)

    def __and__(self, other: Value | float) -> Value:
        return self._do("and", self, other)

    def __or__(self, other: Value | float) -> Value:
        return self._do("or", self, other)

    def __xor__(self, other: Value | float) -> Value:
        return self._do("xor", self, other)

    def __lshift__(self, bits: int) -> Value:
        return self._do("shl", self, bits)

    def __rshift__(self, bits: int) -> Value:
        return self._do("ashr", self, bits)

    def compare(self, word: str, other: Value | float) -> Value:
        """A comparison by LLVM's word: ogt, oeq, ... of floats, sgt, eq, ... of integers."""
        op = "fcmp" if self.kind in _FLOATS else "icmp"
        text = f"{op} {word} {self.kind} {self.text}, {self._wrap(other).text}"
        return self.of.value(text, "i1")

    def __lt__(self, other: Value | float) -> Value:
        return self.compare("olt" if self.kind in _FLOATS else "slt", other)

    def __gt__(self, other: Value | float) -> Value:
        return self.compare("ogt" if self.kind in _FLOATS else "sgt", other)

    def choose(self, yes: Value | float, no: Value | float) -> Value:
        """``yes`` where this condition holds, else ``no``; one of them is a ``Value``."""
        kind = next(v for v in (yes, no) if isinstance(v, Value))
        a, b = kind._wrap(yes), kind._wrap(no)
        text = f"select i1 {self.text}, {a.kind} {a.text}, {b.kind} {b.text}"
        return self.of.value(text, a.kind)

    def call(self, name: str, *others: Value) -> Value:
        """An intrinsic of LLVM on numbers of one type, ``llvm.NAME.f32``."""
        bits = {"float": "f32", "double": "f64"}[self.kind]
        head = f"{self.kind} @llvm.{name}.{bits}"
        given = [f"{self.kind} {v.text}" for v in (self, *others)]
        self.of.intrinsics.add(f"declare {head}({', '.join([self.kind] * len(given))})")
        return self.of.value(f"call {head}({', '.join(given)})", self.kind)

    def bits(self, kind: str) -> Value:
        """The same bits as another type."""
        return self.of.value(f"bitcast {self.kind} {self.text} to {kind}", kind)

    def to(self, kind: str) -> Value:
        """The same number as another type."""
        if kind == self.kind:
            return self
        if kind == "i1":
            return self.compare("une" if self.kind in _FLOATS else "ne", 0)
        if self.kind in _FLOATS:
            word = "fpext" if kind == "double" else "fptrunc"
        elif kind in _FLOATS:
            word = "uitofp" if self.kind == "i1" else "sitofp"
        elif self.kind == "i1":
            word = "zext"
        else:
            word = "sext" if int(kind[1:]) > int(self.kind[1:]) else "trunc"
        return self.of.value(f"{word} {self.kind} {self.text} to {kind}", kind)


class Function:
    """The text of one function under construction."""

    def __init__(self, head: str) -> None:
        self.head, self.flags = head, ELEMENTWISE
        self.intrinsics: set[str] = set()
        self._entry: list[str] = []
        self._lines: list[str] = []
        self._known: dict[object, Value] = {}
        self._count = 0

    def name(self) -> str:
        """A fresh name."""
        self._count += 1
        return f"%v{self._count}"

    def do(self, text: str) -> None:
        """Append one instruction."""
        self._lines.append("  " + text)

    def op(self, text: str) -> str:
        """Append an instruction; the name of its result."""
        name = self.name()
        self.do(f"{name} = {text}")
        return name

    def value(self, text: str, kind: str) -> Value:
        """Append an instruction; its result as a number."""
        return Value(self, self.op(text), kind)

    def once(self, key: object, make: Callable[[], Value]) -> Value:
        """What ``make`` gives, computed at the entry of the function, once for each ``key``."""
        if key not in self._known:
            lines, self._lines = self._lines, self._entry
            try:
                self._known[key] = make()
            finally:
                self._lines = lines
        return self._known[key]

    def number(self, value: float, kind: str = "float") -> Value:
        """A constant."""
        return Value(self, constant(value, kind), kind)

    def room(self, kind: str, value: str) -> str:
        """The address of a variable that holds ``value``; allocated once, at the entry."""
        name = self.name()
        self._entry.append(f"  {name} = alloca {kind}")
        self.do(f"store {kind} {value}, ptr {name}")
        return name

    def load(self, kind: str, address: str, index: str = "0") -> Value:
        """The number at ``address[index]``."""
        return self.value(f"load {kind}, ptr {self.at(kind, address, index)}", kind)

    def store(self, value: Value, address: str, index: str = "0") -> None:
        """Write to ``address[index]``."""
        where = self.at(value.kind, address, index)
        self.do(f"store {value.kind} {value.text}, ptr {where}")

    def at(self, kind: str, address: str, index: str) -> str:
        """The address of ``address[index]``."""
        if index == "0":
            return address
        return self.op(f"getelementptr inbounds {kind}, ptr {address}, i64 {index}")

    @contextmanager
    def loop(self, stop: str, *, start: str = "0", step: int | str = 1) -> Iterator[str]:
        """A loop of i from ``start`` to ``stop``; gives the name of i."""
        counter = self.room("i64", start)
        head, body, end = (f"{word}{self.name()[2:]}" for word in ("head", "body", "end"))
        self.do(f"br label %{head}")
        self._lines.append(f"{head}:")
        i = self.op(f"load i64, ptr {counter}")
        more = self.op(f"icmp slt i64 {i}, {stop}")
        self.do(f"br i1 {more}, label %{body}, label %{end}")
        self._lines.append(f"{body}:")
        yield i
        self.do(f"store i64 {self.op(f'add nuw nsw i64 {i}, {step}')}, ptr {counter}")
        self.do(f"br label %{head}")
        self._lines.append(f"{end}:")

    def text(self, result: str = "ret void") -> str:
        """The whole function."""
        return "\n".join([f"{self.head} {{", *self._entry, *self._lines, f"  {result}", "}"])
