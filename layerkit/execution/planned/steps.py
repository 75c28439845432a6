"""The steps of a layer as the source of a Python function over bound arrays.

A ``Writer`` turns the nodes of feed or of backprop into a ``Program``: one line a node, each with
``out=``, and what its names stand for. ``Program.bind`` makes the function that runs it over the
arrays of one layer. A traceback out of a step shows its line.

A value (n, f) lies as (f, n), so steps work on transposed views, which are contiguous. In the form
for a single row they work on vectors instead.
"""

from __future__ import annotations

import linecache
import math
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import count
from keyword import iskeyword
from types import CodeType
from typing import Any

import numpy as np

from layerkit.execution import products
from layerkit.execution.planned.arrays import Arrays, Form, Spec, filled, view
from layerkit.execution.planned.joins import is_row_sum
from layerkit.execution.planned.memory import (
    Places,
    are_one,
    features_first,
    is_elementwise,
    multiplies_windows,
    root,
)
from layerkit.execution.window_products import multiply_windows
from layerkit.recording.graph import REDUCTIONS, Node, at

_FEW, _MOST = 256, 1 << 18
"""Between these sizes, NumPy's maximum is up to 3.5 times faster against an array of the number."""

_REDUCE = {
    "sum": np.add.reduce,
    "prod": np.multiply.reduce,
    "max": np.maximum.reduce,
    "min": np.minimum.reduce,
}

_RESERVED = "_steps", "_stream", "_numbers"

Call = Callable[..., None]


class Program:
    """The steps of feed or backprop.

    ``operands`` are the names of arrays of the layer, each a node and a form; ``others`` the names
    of what all layers share. Where the operands of any layer lie is read off the arrays of the
    layer that is bound first.
    """

    def __init__(
        self, source: str, operands: Mapping[str, tuple[Node, Form]], others: Mapping[str, Any]
    ) -> None:
        self.source, self.operands = source, operands
        self._specs: dict[str, Spec | None] | None = None
        name = f"<planned steps {zlib.crc32(source.encode()):08x}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        scope = dict(others)
        exec(_compiled(source, name), scope)  # noqa: S102  # written below, from a graph
        self._make: Callable[..., Call] = scope["make"]

    def bind(self, arrays: Arrays, stream: Callable[[str], np.random.Generator] | None) -> Call:
        """The function that runs the steps over ``arrays``; ``stream`` gives that of a path."""
        own: dict[str, Any] = {}
        specs = self._specs or {}
        for name, (node, form) in self.operands.items():
            spec = specs.get(name)
            if spec is None or spec.kind not in arrays.buffers:  # a file has no flat vector
                own[name] = arrays.form(node, form)
            else:
                own[name] = arrays.made(spec)
        if self._specs is None:
            self._specs = {
                name: arrays.spec(node, own[name]) for name, (node, _) in self.operands.items()
            }
        return self._make(**own, _stream=stream, _numbers=arrays.numbers)


@lru_cache(maxsize=512)
def _compiled(source: str, name: str) -> CodeType:
    return compile(source, name, "exec")


class Writer:
    """Writes the program of ``nodes`` for ``n`` rows.

    ``inputs`` are the arguments of the function; those in ``loose`` differ from call to call, the
    others are bound. ``row``: values of a single row are vectors.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        places: Places,
        n: int,
        inputs: Sequence[str],
        loose: frozenset[str],
        *,
        row: bool,
    ) -> None:
        self.nodes, self.places, self.n, self.inputs = nodes, places, n, inputs
        self.loose, self.row = loose, row
        self.operands: dict[str, tuple[Node, Form]] = {}
        self.others: dict[str, Any] = {}
        self.begin: list[str] = []  # views of loose inputs
        self.names: dict[Any, str] = {}

    def program(self, state: Mapping[str, Node]) -> Program:
        """The steps, then the writing of ``state``, in a function that binds their names."""
        lines: list[str] = []
        todo = deque(self.nodes)
        while todo:
            node = todo.popleft()
            both = self._both(node, todo[0]) if todo else None
            if both is not None:
                todo.popleft()
                lines.append(both)
            elif multiplies_windows(node) and self._stored(node):
                group = [node]
                while (
                    todo and all(are_one(one, todo[0]) for one in group) and self._stored(todo[0])
                ):
                    group.append(todo.popleft())
                lines.append(self._multiply_windows(group))
            else:
                lines += self._lines(node)
        for name, node in state.items():
            target = Node("state", (name,), shape=node.shape, dtype=node.dtype)
            lines.append(self._copy(self._array(target), self._array(node)))
        body = "".join(f"        {line}\n" for line in [*self.begin, *lines]) or "        pass\n"
        head = f"def make({', '.join([*self.operands, '_stream', '_numbers'])}):\n"
        head += f"    def _steps({', '.join(self.inputs)}):\n"
        return Program(f"{head}{body}    return _steps\n", self.operands, self.others)

    # operands

    def _array(self, node: Node, form: Form = "") -> str:
        """The name of ``node`` in a form."""
        if node.dtype is None:
            return f"_numbers[{node.serial}]"
        home, base = self.places.home(node), root(node)
        # One name for one piece of memory: NumPy is faster where out is an operand.
        key = (id(node) if home is None else (home, node.shape, node.dtype)), form
        if key not in self.names:
            if base.op == "input" and base.args[0] in self.loose:
                self.names[key] = self._view_of_input(node, form)
            else:
                name = self.names[key] = self._name_of(node, form)
                self.operands[name] = node, form
        return self.names[key]

    def _name_of(self, node: Node, form: Form) -> str:
        home, base = self.places.home(node), root(node)
        if home is not None:
            block = home.width != self.places.slots[home.slot].width
            word = f"m{home.slot}" + (f"_{home.start}" if block else "")
        elif id(base) in self.places.grads:
            word = f"d_{self.places.grads[id(base)]}"
        else:
            word = base.args[0] if base.op in ("param", "input", "state") else base.op
            word += "" if base is node else f"_{node.op}"
        return self._fresh(f"{word}_{form}" if form else word)

    def _fresh(self, word: str) -> str:
        """A name like ``word`` that nothing has; those of others begin with an underscore."""
        word = "".join(c if c.isalnum() and c.isascii() else "_" for c in word)
        word = f"v{word}" if word[0].isdigit() or iskeyword(word) else word
        taken = {*_RESERVED, *self.operands, *self.others, *self.inputs, *self.names.values()}
        return next(name for i in count() if (name := f"{word}{i or ''}") not in taken)

    def _view_of_input(self, node: Node, form: Form) -> str:
        """An input that differs from call to call, or a view of it, made at the beginning."""
        given: Form = "row" if self.row else ""  # the form in which it comes
        if node.op == "input" and form == given:
            return str(node.args[0])
        if node.op == "input" and self.row:
            text = f"{node.args[0]}[{'None' if form == '' else ':, None'}]"
        elif form:
            tail = ".T" if len(node.shape) > 1 else "[:, None]"
            text = self._array(node) + (tail if form == "T" else "[0]")
        else:
            made = partial(view, node=node, n=self.n)
            text = f"{self._other(made, 'view')}({self._array(node.args[0])})"
        name = self._fresh(f"{root(node).args[0]}_{form}" if form else f"{root(node).args[0]}_view")
        self.begin.append(f"{name} = {text}")
        return name

    def _other(self, value: Any, word: str, key: Any = None) -> str:
        """The name of something that is the same for all layers; equal keys give one name."""
        key = "other", id(value) if key is None else key
        if key not in self.names:
            self.names[key] = name = self._fresh(f"_{word}")
            self.others[name] = value
        return self.names[key]

    def _value(self, value: Any) -> str:
        """The text of an argument of any kind."""
        if isinstance(value, Node):
            return self._array(value)
        if type(value) is tuple:
            return "(" + "".join(f"{self._value(part)}, " for part in value) + ")"
        if isinstance(value, bool | None | str):
            return repr(value)
        return self._other(at(value, self.n), "c")

    def _number(self, value: Any, node: Node, form: Form) -> str:
        """A number among the operands of ``node``, as an array: NumPy need not convert it."""
        value, shape = at(value, self.n), at(node.shape, self.n)
        kinds = {arg.dtype for arg in node.inputs() if arg.dtype is not None}
        kind = kinds.pop() if len(kinds) == 1 else None
        if type(value) not in (int, float) or kind is None or kind.kind != "f":
            return self._other(value, "c")
        key, size = (repr(float(value)), kind), math.prod(shape)
        if node.op in ("maximum", "minimum") and not self.row and _FEW < size <= _MOST:
            shape = shape[::-1] if form == "T" else shape
            return self._other(
                filled(float(value), size, kind).reshape(shape), "full", (*key, shape)
            )
        with np.errstate(all="ignore"):
            return self._other(np.array(value, kind), "c", key)

    # lines

    def _copy(self, out: str, value: str, rest: str = "") -> str:
        return f"{self._other(np.copyto, 'copyto')}({out}, {value}{rest})"

    def _lines(self, node: Node) -> list[str]:
        if node.op == "random":
            method, args, pairs, _, path = node.args
            return [self._put(node, f"_stream({path!r}).{method}", args, pairs)]
        if node.op == "matmul" and node.shape:
            return [self._product(node)]
        if is_row_sum(node) and not self.row:
            return [self._row_sum(node)]
        if node.op in REDUCTIONS and "dtype" not in node.kw and node.args[0].dtype == node.dtype:
            return [self._reduction(node)]
        if is_elementwise(node) and (line := self._elementwise(node)):
            return [line]
        if node.op == "set" and id(node) in self.places.homes:
            return self._set(node)
        if node.op == "concatenate" and node.args[1] == 1 and features_first(node):
            return self._concatenate(node)
        if node.op == "concatenate" and id(node) in self.places.homes:
            args = f"{self._value(node.args[0])}, {node.args[1]}, {self._array(node)}"
            return [f"{self._other(np.concatenate, 'concatenate')}({args})"]
        return [self._put(node, self._other(node.fn, node.op), node.args, node.kw.items())]

    def _elementwise(self, node: Node) -> str | None:
        form: Form = "T" if features_first(node) else ""
        inputs = list(node.inputs())
        if form and self.row and all(_has_row(arg) for arg in inputs):
            form = "row"
        if form and any(len(arg.shape) > 2 for arg in inputs):
            return None
        args = [
            self._array(arg, form) if isinstance(arg, Node) else self._number(arg, node, form)
            for arg in (node.args if node.op != "astype" else node.args[:1])
        ]
        out = self._array(node, form)
        if node.op in ("copy", "snapshot", "astype"):
            return self._copy(out, args[0], ", 'unsafe'")
        call = f"{self._other(node.fn, node.op)}({', '.join(args)}"
        if node.op == "where":
            return self._copy(out, call + ")")
        # NumPy is to forbid the third positional argument of these two
        return f"{call}, {'out=' if node.op in ('maximum', 'minimum') else ''}{out})"

    def _product(self, node: Node) -> str:
        a, b = node.args
        if self.row and all(map(features_first, (a, node))) and not features_first(b):
            args = self._array(a, "row"), self._array(b), self._array(node, "row")
            return f"{self._other(np.dot, 'dot')}({', '.join(args)})"
        large = self._work(node) >= products.LARGE
        multiply = self._other(products.matmul if large else np.matmul, "matmul")
        return f"{multiply}({', '.join(self._factors(node))})"

    def _factors(self, node: Node) -> tuple[str, str, str]:
        """a, b and where a b goes; transposed if the result lies so."""
        a, b = node.args
        if features_first(node) and len(a.shape) == len(b.shape) == 2:
            return self._array(b, "T"), self._array(a, "T"), self._array(node, "T")
        return self._array(a), self._array(b), self._array(node)

    def _work(self, node: Node) -> int:
        """Multiply-adds of a product of two matrices; 0 for anything else."""
        if node.op != "matmul" or any(len(value.shape) != 2 for value in (node, *node.args)):
            return 0
        rows, inner = at(node.args[0].shape, self.n)
        return int(rows * inner * at(node.shape, self.n)[1])

    def _both(self, first: Node, second: Node) -> str | None:
        """Two large products that do not depend on each other, as one piece of work."""
        works = self._work(first), self._work(second)
        apart = all(root(arg) is not first for arg in second.inputs())
        if not all(works) or sum(works) < products.LARGE or not apart:
            return None
        texts = [f"({', '.join(self._factors(node))})" for node in (first, second)]
        return f"{self._other(products.matmul_both, 'matmul_both')}({', '.join(texts)})"

    def _row_sum(self, node: Node) -> str:
        """A sum over rows as a product with ones: four times as fast."""
        (value,) = node.args
        ones = filled(1.0, at(value.shape, self.n)[0], np.dtype(node.dtype))
        out = self._array(node, "row" if node.kw["keepdims"] else "")
        args = self._array(value, "T"), self._other(ones, "ones"), out
        return f"{self._other(np.dot, 'dot')}({', '.join(args)})"

    def _reduction(self, node: Node) -> str:
        (value,), axes = node.args, node.kw["axis"]
        form: Form = "T" if features_first(value) else ""
        axes = tuple(sorted(1 - i for i in axes)) if form else axes
        keep = node.kw["keepdims"]
        out = self._array(node, form if keep else "")
        reduce = self._other(_REDUCE[node.op], f"{node.op}_of")
        return f"{reduce}({self._array(value, form)}, {axes}, None, {out}, {keep})"

    def _concatenate(self, node: Node) -> list[str]:
        """Copies of the arrays that could not be computed in place."""
        lines, start = [], 0
        for i, value in enumerate(node.args[0]):
            stop = start + value.shape[1]
            if i in self.places.copied[id(node)]:
                block = f"{self._array(node, 'T')}[{start}:{stop}]"
                lines.append(self._copy(block, self._array(value, "T")))
            start = stop
        return lines

    def _set(self, node: Node) -> list[str]:
        x, keys, value = node.args
        out = self._array(node)
        copied = [] if self._array(x) == out else [self._copy(out, self._array(x))]
        return [*copied, f"{out}[{self._value(keys)}] = {self._value(value)}"]

    def _put(self, node: Node, fn: str, args: Any, pairs: Any) -> str:
        """Call ``fn`` and copy what it gives to its place; a Python number is kept as it is."""
        texts = [self._value(arg) for arg in args]
        texts += [f"{name}={self._value(value)}" for name, value in pairs]
        call = f"{fn}({', '.join(texts)})"
        if node.dtype is None:
            return f"{self._array(node)} = {call}"
        return self._copy(self._array(node), call) if self._stored(node) else call

    def _stored(self, node: Node) -> bool:
        return id(node) in self.places.homes or id(node) in self.places.grads

    def _multiply_windows(self, nodes: Sequence[Node]) -> str:
        """Products of one array with others."""
        letters, a, _ = nodes[0].args
        pairs = [f"({self._array(node.args[2])}, {self._array(node)})" for node in nodes]
        fn = self._other(multiply_windows, "multiply_windows")
        return f"{fn}({letters!r}, {', '.join([self._array(a), *pairs])})"


def _has_row(node: Node) -> bool:
    """Whether the value of a single row can be a vector, or is one."""
    return len(node.shape) < 2 or node.shape[0] == 1 or features_first(node)
