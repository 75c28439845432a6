"""A graph for one row as loops over flat arrays: what plain languages such as C are written from.

Views (transposes, slices, broadcasts) cost nothing: they are places in an array.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.recording.graph import REDUCTIONS, Graph, Node, Slice, at

_LOGICAL = {
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_xor": "not_equal",
    "invert": "logical_not",
}


class Place(NamedTuple):
    """Elements of a flat array: element (i, j, ...) is ``array[offset + i s_0 + j s_1 + ...]``.

    Parameters
    ----------
    array
        Its name.
    strides
        One for each axis of ``shape``; 0 where an axis repeats one element.
    """

    array: str
    dtype: np.dtype[Any]
    shape: Shape
    strides: Shape
    offset: int = 0

    def at_axes(self, shape: Shape) -> Place:
        """Broadcast to ``shape``."""
        new = len(shape) - len(self.shape)
        pairs = zip(self.shape, self.strides, shape[new:], strict=True)
        strides = (0,) * new + tuple(0 if old != size else s for old, s, size in pairs)
        return self._replace(shape=shape, strides=strides)


Operand = Place | float | int | bool


class Map(NamedTuple):
    """out = op(args), element by element; all places have the shape of ``out``."""

    op: str
    out: Place
    args: tuple[Operand, ...]


class Fold(NamedTuple):
    """out = sum, product, largest or smallest (``op``) over the last axes of the places ``args``.

    Several places are multiplied first. ``out`` has the first axes of theirs.
    """

    op: str
    out: Place
    args: tuple[Place, ...]


class Pick(NamedTuple):
    """out[.., i, ..] = x[.., keys[i], ..], with the axes of ``keys`` in place of ``axis``."""

    out: Place
    x: Place
    keys: Place
    axis: int


Statement = Map | Fold | Pick


class NoLoop(Exception):  # noqa: N818  # an outcome, not a mistake
    """A node that has no form as loops for one row."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.op)
        self.node = node


@dataclass
class Loops:
    """The statements of a graph in order.

    Parameters
    ----------
    result
        Where the output is.
    temporary
        Arrays that statements write, by name.
    constants
        Arrays of the author's, by name.
    tensors
        The names of the arrays of parameters and state, by theirs.
    """

    result: Place
    statements: list[Statement] = field(default_factory=list)
    temporary: dict[str, tuple[np.dtype[Any], int]] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    tensors: dict[str, str] = field(default_factory=dict)


def loops_of(graph: Graph, knows: Callable[[str], bool]) -> Loops:
    """The loops that compute ``graph.y`` for one row, of elementwise operations that ``knows``.

    Raises NoLoop. The input is the array "x".
    """
    work = _Work(knows)
    used = {node.args[0] for node in graph.nodes() if node.op in ("param", "state")}
    names = identifiers(sorted(used))
    work.loops.tensors = {name: f"p_{one}" for name, one in names.items()}
    for node in graph.nodes():
        work.values[id(node)] = work.made(node)
    work.loops.result = work.place(graph.y)
    return work.loops


def identifiers(texts: Iterable[str]) -> dict[str, str]:
    """Each text as a name in most languages, with a number where another one has it already."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for text in texts:
        name = first = identifier(text)
        for i in itertools.count(2):
            if name not in taken:
                break
            name = f"{first}_{i}"
        taken.add(name)
        found[text] = name
    return found


def identifier(text: str) -> str:
    """``text`` as a name in most languages."""
    name = re.sub(r"\W", "_", text, flags=re.A)
    return f"_{name}" if name[:1].isdigit() or not name else name


def logical(node: Node) -> str:
    """The operation of ``node``; what & and | and ~ mean for truth values."""
    return _LOGICAL.get(node.op, node.op) if node.dtype == np.bool_ else node.op


def contiguous(array: str, dtype: Any, shape: Iterable[int]) -> Place:
    """All of an array in C order."""
    sizes = tuple(shape)
    strides = tuple(math.prod(sizes[i + 1 :]) for i in range(len(sizes)))
    return Place(array, np.dtype(dtype), sizes, strides)


class _Work:
    """The loops under construction, and where the value of each node is."""

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self.knows = knows
        nowhere = contiguous("", np.float32, ())
        self.loops = Loops(nowhere)
        self.values: dict[int, Operand] = {}

    def made(self, node: Node) -> Operand:
        """Where the value of ``node`` is, after the statements that compute it."""
        rule = getattr(self, f"_{node.op}", None)
        if rule is not None:
            found: Operand = rule(node)
            return found
        if node.op in REDUCTIONS:
            return self._fold(node)
        if node.fn is None or (node.kw and node.op != "where"):
            raise NoLoop(node)
        if not isinstance(node.fn, np.ufunc) and node.op not in ("where", "clip", "power"):
            raise NoLoop(node)
        op = logical(node)
        if not self.knows(op):
            raise NoLoop(node)
        return self._mapped(node, op, node.args)

    def place(self, arg: Any) -> Place:
        """The place of a node's value; numbers get one."""
        value = self.values[id(arg)]
        if isinstance(value, Place):
            return value
        out = self.new(arg.dtype, ())
        self.loops.statements.append(Map("copy", out, (value,)))
        return out

    def new(self, dtype: Any, shape: Shape) -> Place:
        """A new temporary array."""
        name = f"t{len(self.loops.temporary)}"
        self.loops.temporary[name] = (np.dtype(dtype), math.prod(shape))
        return contiguous(name, dtype, shape)

    def _operand(self, arg: Any, shape: Shape) -> Operand:
        if isinstance(arg, Node):
            value = self.values[id(arg)]
            return value.at_axes(shape) if isinstance(value, Place) else value
        number: Operand = at(arg, 1)
        return number

    def _mapped(self, node: Node, op: str, args: Sequence[Any]) -> Place:
        shape = at(node.shape, 1)
        out = self.new(node.dtype, shape)
        operands = tuple(self._operand(arg, shape) for arg in args)
        self.loops.statements.append(Map(op, out, operands))
        return out

    def _leaf(self, node: Node) -> Place:
        name = "x" if node.op == "input" else self.loops.tensors[node.args[0]]
        return contiguous(name, node.dtype, at(node.shape, 1))

    _input = _param = _state = _leaf

    def _const(self, node: Node) -> Operand:
        shape = at(node.shape, 1)
        if np.size(node.value) == 1:
            number = np.asarray(node.value).item()
            return number if not shape else self._filled(node, number, shape)
        name = f"c{len(self.loops.constants)}"
        self.loops.constants[name] = np.ascontiguousarray(node.value)
        return contiguous(name, node.dtype, shape)

    def _filled(self, node: Node, number: Any, shape: Shape) -> Place:
        out = self.new(node.dtype, ())
        self.loops.statements.append(Map("copy", out, (number,)))
        return out.at_axes(shape)

    def _arange(self, node: Node) -> Place:
        return self._filled(node, 0, at(node.shape, 1))  # of one row

    def _copy(self, node: Node) -> Operand:
        return self.values[id(node.args[0])]

    def _astype(self, node: Node) -> Operand:
        same = isinstance(node.args[0], Node) and node.args[0].dtype == node.dtype
        return self._copy(node) if same else self._mapped(node, "astype", node.args[:1])

    def _transpose(self, node: Node) -> Place:
        x, axes = self.place(node.args[0]), node.args[1]
        return x._replace(
            shape=tuple(x.shape[a] for a in axes), strides=tuple(x.strides[a] for a in axes)
        )

    def _broadcast_to(self, node: Node) -> Place:
        return self.place(node.args[0]).at_axes(at(node.shape, 1))

    def _reshape(self, node: Node) -> Place:
        x, shape = self.place(node.args[0]), at(node.shape, 1)
        dense = contiguous(x.array, x.dtype, x.shape)
        if x.strides != dense.strides:
            x = self._mapped(node.args[0], "copy", (node.args[0],))
        return contiguous(x.array, x.dtype, shape)._replace(offset=x.offset)

    def _index(self, node: Node) -> Place:
        return self._picked(self.place(node.args[0]), node.args[1])

    def _picked(self, x: Place, keys: Any) -> Place:
        shape: list[int] = []
        strides: list[int] = []
        offset, axis = x.offset, 0
        for key in keys:
            if key is None:
                shape.append(1)
                strides.append(0)
                continue
            size, stride = x.shape[axis], x.strides[axis]
            axis += 1
            if isinstance(key, Slice):
                taken = range(size)[at(key, 1)]
                offset += taken.start * stride
                shape.append(len(taken))
                strides.append(taken.step * stride)
            else:
                offset += range(size)[key] * stride
        return x._replace(shape=tuple(shape), strides=tuple(strides), offset=offset)

    def _windows(self, node: Node) -> Place:
        x, (_, sizes, axes) = self.place(node.args[0]), node.args
        shape = list(x.shape)
        for size, axis in zip(sizes, axes, strict=True):
            shape[axis] -= size - 1
        strides = (*x.strides, *(x.strides[axis] for axis in axes))
        return x._replace(shape=(*shape, *sizes), strides=strides)

    def _set(self, node: Node) -> Place:
        x, keys, value = node.args
        if any(not isinstance(key, (int, Slice)) for key in keys):
            raise NoLoop(node)
        out = self._mapped(node, "copy", (x,))
        target = self._picked(out, keys)
        given = self._operand(value, target.shape)
        self.loops.statements.append(Map("astype", target, (given,)))
        return out

    def _einsum(self, node: Node) -> Place:
        words, *arrays = node.args
        *given, result = words.replace("->", ",").split(",")
        places = [self.place(array) for array in arrays]
        sizes = {
            letter: size
            for word, place in zip(given, places, strict=True)
            for letter, size in zip(word, place.shape, strict=True)
        }
        order = [*result, *(letter for letter in sizes if letter not in result)]
        whole = tuple(sizes[letter] for letter in order)
        terms = []
        for word, place in zip(given, places, strict=True):
            steps = dict(zip(word, place.strides, strict=True))
            strides = tuple(steps.get(letter, 0) for letter in order)
            terms.append(place._replace(shape=whole, strides=strides))
        out = self.new(node.dtype, at(node.shape, 1))
        self.loops.statements.append(Fold("sum", out, tuple(terms)))
        return out

    def _matmul(self, node: Node) -> Place:
        a, b = (self.place(arg) for arg in node.args)
        if len(a.shape) < 2 or len(b.shape) < 2:
            raise NoLoop(node)
        shape = at(node.shape, 1)
        batch, k = tuple(shape[:-2]), a.shape[-1]
        a = a.at_axes((*batch, shape[-2], k))
        b = b.at_axes((*batch, k, shape[-1]))
        whole = (*shape, k)
        lead = len(batch)
        left = (*a.strides[: lead + 1], 0, a.strides[-1])
        right = (*b.strides[:lead], 0, b.strides[-1], b.strides[-2])
        out = self.new(node.dtype, shape)
        places = (a._replace(shape=whole, strides=left), b._replace(shape=whole, strides=right))
        self.loops.statements.append(Fold("sum", out, places))
        return out

    def _fold(self, node: Node) -> Place:
        x, axes = self.place(node.args[0]), node.kw["axis"]
        axes = (axes,) if isinstance(axes, int) else tuple(axes)
        if x.dtype != node.dtype:
            raise NoLoop(node)
        kept = [i for i in range(len(x.shape)) if i not in axes]
        order = [*kept, *axes]
        turned = x._replace(
            shape=tuple(x.shape[i] for i in order), strides=tuple(x.strides[i] for i in order)
        )
        out = self.new(node.dtype, tuple(x.shape[i] for i in kept))
        self.loops.statements.append(Fold(node.op, out, (turned,)))
        return contiguous(out.array, node.dtype, at(node.shape, 1))

    def _gather(self, node: Node) -> Place:
        keys = node.args[1]
        arrays = [axis for axis, key in enumerate(keys) if isinstance(key, Node)]
        rest = [key for key in keys if not isinstance(key, Node)]
        if len(arrays) != 1 or any(key != Slice(None, None, None) for key in rest):
            raise NoLoop(node)
        index = self.place(keys[arrays[0]])
        if index.dtype.kind not in "iu":
            raise NoLoop(node)
        out = self.new(node.dtype, at(node.shape, 1))
        pick = Pick(out, self.place(node.args[0]), index, arrays[0])
        self.loops.statements.append(pick)
        return out

    def _concatenate(self, node: Node) -> Place:
        arrays, axis = node.args
        out = self.new(node.dtype, at(node.shape, 1))
        offset = 0
        for arg in arrays:
            part = self.place(arg)
            target = out._replace(shape=part.shape, offset=offset)
            self.loops.statements.append(Map("astype", target, (part,)))
            offset += part.shape[axis] * out.strides[axis]
        return out


def collapsed(places: Sequence[Place]) -> list[Place]:
    """Places of one shape with as few axes as they need: axes that run through become one."""
    shape = places[0].shape
    axes = [i for i, size in enumerate(shape) if size != 1]
    groups: list[list[int]] = []
    for axis in axes:
        last = groups[-1][-1] if groups else None
        if last is not None and all(
            p.strides[last] == p.strides[axis] * shape[axis] for p in places
        ):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    sizes = tuple(math.prod(shape[i] for i in group) for group in groups)
    return [
        p._replace(shape=sizes, strides=tuple(p.strides[group[-1]] for group in groups))
        for p in places
    ]
