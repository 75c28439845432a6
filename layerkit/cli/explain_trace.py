"""The trace of a layer: the operations of its feed and backprop, in its author's words.

A value has the name of the variable that held it when the author's method ended: ``H = np.tanh(a)``
makes an H. What no variable holds, such as the inner part of a longer line, is t1, t2, and so on;
the gradient of W is dW. A transposed array is no operation: it is written where it is read, as in
``x.T @ dz``.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, groupby
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from layerkit.cli.failures import UsageError
from layerkit.core.planning import PlannedLayer
from layerkit.discovery.registry import REGISTRIES
from layerkit.display import nearest, quoted
from layerkit.recording.arrays import RecordedArray, line_of
from layerkit.recording.counting import Size, costs, multiply_adds
from layerkit.recording.graph import LEAVES, Count, Graph, Node, Slice
from layerkit.recording.record import record
from layerkit.specs.overrides import Setting
from layerkit.specs.resolve import read_spec

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
_GIVEN = LEAVES - {"random"}
"""Leaves that are no operations: what a pass is given."""


class Operation(NamedTuple):
    """One operation: ``name`` is what it makes, of ``shape`` and ``dtype``, ``text`` how."""

    name: str
    text: str
    shape: tuple[Any, ...]  # of integers, and counts of rows
    dtype: str
    multiply_adds: Size | None  # None if unknown


class Statement(NamedTuple):
    """A statement of the author, "file:line" in ``place``, with the operations that it does."""

    source: str
    place: str
    operations: list[Operation]


class Trace(NamedTuple):
    """A layer's operations, by "feed" and "backprop".

    ``equations`` are those of its documentation, with "" for those that do not say where they
    belong; ``results`` tell which value is y, dx, dW; ``multiply_adds`` and ``kept`` (bytes) are of
    one row, None if unknown.
    """

    equations: dict[str, str]
    statements: dict[str, list[Statement]]
    results: dict[str, dict[str, str]]
    multiply_adds: dict[str, int | None]
    kept: int | None


def planned_layer(term: str, settings: Sequence[str], shape: str | None) -> PlannedLayer:
    """The layer type ``term``, by default its first example, with overrides of settings.

    Raises UsageError if it is no layer or the shape is no list of sizes, the errors of ``build`` if
    the settings or the shape do not fit.
    """
    name, layers = term.removeprefix("layers."), REGISTRIES["layers"]
    if name not in layers:
        near = nearest(name, layers.names())
        raise UsageError(f"--trace: expected a layer type, got {quoted(term)}{near}")
    config, in_shape = layers[name].examples()[0]
    if shape is not None:
        if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", shape):
            raise UsageError(f"--shape: expected sizes such as 8 or 3,4, got {quoted(shape)}")
        in_shape = tuple(map(int, shape.split(",")))
    spec = {
        "layerkit": 1,
        "input": {"shape": list(in_shape)},
        "layers": [{"type": name, **config}],
    }
    overrides = [Setting(f"layers.0.{setting}", f"--set {setting}") for setting in settings]
    return read_spec(spec, settings=overrides).plan()[0]


def trace(planned: PlannedLayer, dtype: Any) -> Trace:
    """The trace of a layer in training.

    Raises NotRecorded, with the reason and the line, if it cannot be recorded.
    """
    with _watching_variables() as variables:
        recording = record(
            planned.layer, planned.in_shape, dtype, training=True, keeps=True, plan=planned.plan
        )
    graph, nodes = recording.graph, recording.graph.nodes()
    results = _results(graph)
    kept = {id(node) for node in results.values()}
    shown = [n for n in nodes if n.op not in _GIVEN and (id(n) in kept or not _is_inline(n))]
    names = _names(shown, variables, results)
    begin = min((n.serial for n in nodes if _is_dy(n)), default=math.inf)
    statements: dict[str, list[Statement]] = {"feed": [], "backprop": []}
    lines = _Lines(type(planned.layer))
    for (back, line), group in groupby(shown, lambda n: (n.serial > begin, n.line)):
        operations = [
            Operation(names[id(n)], _text(n, names), n.shape, _dtype(n), multiply_adds([n]))
            for n in group
        ]
        step = "backprop" if back else "feed"
        statements[step].append(Statement(lines.source(line), line, operations))
    told: dict[str, dict[str, str]] = {"feed": {}, "backprop": {}}
    for result, node in results.items():
        of_feed = result == "y" or result.startswith("new ")
        told["feed" if of_feed else "backprop"][result] = _operand(node, names)
    equations = equations_of(type(planned.layer))
    return Trace(equations, statements, told, _sums(nodes, begin), costs(graph).kept.per_row)


def to_json(planned: PlannedLayer, dtype: str, found: Trace) -> dict[str, Any]:
    """The trace as JSON values; sizes and multiply-adds that depend on n are texts."""

    def operation(one: Operation) -> dict[str, Any]:
        sizes = [count_text(size) if isinstance(size, Count) else size for size in one.shape]
        adds = one.multiply_adds
        told = None if adds is None else size_text(adds) if any(adds[1:]) else adds.fixed
        return {**one._asdict(), "shape": sizes, "multiply_adds": told}

    def step(name: str) -> dict[str, Any]:
        statements = [
            {**one._asdict(), "operations": [operation(o) for o in one.operations]}
            for one in found.statements[name]
        ]
        return {
            "equations": found.equations.get(name),
            "statements": statements,
            "results": found.results[name],
            "multiply_adds_per_row": found.multiply_adds[name],
        }

    return {
        "layer": planned.layer.type_name,
        "settings": planned.layer.config,
        "in_shape": planned.in_shape,
        "out_shape": planned.plan.out_shape,
        "dtype": dtype,
        "equations": found.equations.get(""),
        "feed": step("feed"),
        "backprop": step("backprop"),
        "kept_bytes_per_row": found.kept,
    }


def _results(graph: Graph) -> dict[str, Node]:
    """The results of ``graph`` by the names that equations give them."""
    state = {f"new {name}": node for name, node in graph.state.items()}
    grads = {_gradient(name): node for name, node in graph.grads.items()}
    return {"y": graph.y, **state, **grads, **({} if graph.dx is None else {"dx": graph.dx})}


def _gradient(name: str) -> str:
    """The gradient of a parameter; of a layer inside too: dense_1.W has dense_1.dW."""
    owner, dot, own = name.rpartition(".")
    return f"{owner}{dot}d{own}"


def _is_inline(node: Node) -> bool:
    """Whether ``node`` is only another look at an array: written where it is read."""
    return node.op == "broadcast_to" or _is_transposed(node)


def _is_transposed(node: Node) -> bool:
    """Whether ``node`` is some array's ``.T``."""
    return node.op == "transpose" and node.args[1] == tuple(range(len(node.shape)))[::-1]


def _is_dy(node: Node) -> bool:
    """Whether ``node`` is the gradient that backprop begins with."""
    return node.op == "input" and node.args[0] == "dy"


def _sums(nodes: list[Node], begin: float) -> dict[str, int | None]:
    """Multiply-adds of one row in feed and in backprop."""
    found: dict[str, int | None] = {}
    for step, back in (("feed", False), ("backprop", True)):
        size = multiply_adds([n for n in nodes if (n.serial > begin) is back])
        found[step] = None if size is None else size.per_row
    return found


# ---- names


@contextmanager
def _watching_variables() -> Iterator[dict[int, str]]:
    """Inside, which variable holds which node when a function returns, by the node's serial.

    The layer's own methods return last, so their names win over those of an activation.
    """
    variables: dict[int, str] = {}

    def watch(frame: Any, event: str, _: Any) -> None:
        if event == "return" and _is_authors(frame):
            for name, value in frame.f_locals.items():
                if type(value) is RecordedArray and not name.startswith("_"):
                    variables[value.node.serial] = name

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield variables
    finally:
        sys.setprofile(before)


def _is_authors(frame: Any) -> bool:
    """Whether this is code of a layer or an activation, not of layerkit, NumPy or Python."""
    module = frame.f_globals.get("__name__", "").partition(".")[0]
    return module not in sys.stdlib_module_names and bool(line_of(frame, 0))


def _names(
    shown: list[Node], variables: Mapping[int, str], results: Mapping[str, Node]
) -> dict[int, str]:
    """A name of its own for each node, by its id."""
    roles = {id(node): name for name, node in results.items()}
    used = {arg.args[0] for node in shown for arg in node.inputs() if arg.op in _NAMED}
    names: dict[int, str] = {}
    for node in shown:
        name = variables.get(node.serial) or roles.get(id(node))
        if name is None:
            name = next(f"t{i}" for i in count(1) if f"t{i}" not in used)
        while name in used:
            name += "'"
        used.add(name)
        names[id(node)] = name
    return names


_NAMED = ("input", "param", "state", "number")


# ---- texts of operations


def _text(node: Node, names: Mapping[int, str]) -> str:
    """How ``node`` is computed from what has a name."""
    args = [_operand(arg, names) for arg in node.args]
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
    return f"{name}({', '.join([*args, *(f'{k}={_operand(v, names)}' for k, v in told.items())])})"


def _operand_in(names: Mapping[int, str]) -> Callable[[Any], str]:
    return lambda value: _operand(value, names)


def _operand(value: Any, names: Mapping[int, str]) -> str:
    """An argument of an operation: the name of a node, or the value of a constant."""
    if isinstance(value, tuple) and not isinstance(value, (Count, Slice)):
        inner = ", ".join(_operand(one, names) for one in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if not isinstance(value, Node):
        return _constant(value)
    if id(value) in names:
        return names[id(value)]
    if value.op in _NAMED:
        return str(value.args[0])
    if value.op in LEAVES:
        return "arange(n)" if value.op == "arange" else _constant(value.value)
    inner = _operand(value.args[0], names)
    return f"{inner}.T" if _is_transposed(value) else inner


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
            words.append("None" if key is None else _operand(key, names))
    return ", ".join(words)


def _dtype(node: Node) -> str:
    """The dtype; a Python number takes that of the arrays that it meets."""
    return "number" if node.dtype is None else np.dtype(node.dtype).name


# ---- the author's source


class _Lines:
    """Statements by "file:line", where files go by their last name only.

    A file is looked for among those of the layer's classes first, then among all modules.
    """

    def __init__(self, layer: type) -> None:
        known = [sys.modules.get(cls.__module__) for cls in layer.__mro__]
        self._files: dict[str, str] = {}
        for module in (*known, *sys.modules.copy().values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str):
                self._files.setdefault(PurePath(file).name, file)

    def source(self, line: str) -> str:
        """The statement at ``line`` on one line; empty without a source."""
        name, _, number = line.rpartition(":")
        file = self._files.get(name, "")
        for first, last, text in _statements(file) if file else ():
            if first <= int(number) <= last:
                return text
        return linecache.getline(file, int(number or 0)).strip()


@functools.lru_cache(maxsize=64)
def _statements(file: str) -> list[tuple[int, int, str]]:
    """(first line, last line, text) of each statement of ``file`` that holds no others."""
    source = "".join(linecache.getlines(file))
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    return [
        (node.lineno, node.end_lineno or node.lineno, _one_line(source, node))
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and not hasattr(node, "body")
    ]


def _one_line(source: str, node: ast.stmt) -> str:
    return re.sub(r"\s+", " ", ast.get_source_segment(source, node) or "")


# ---- equations


def equations_of(layer: type) -> dict[str, str]:
    """The equations in the docstrings of a layer and its module, by "feed", "backprop" or "".

    They are the indented blocks after a paragraph that ends in ``::``, whose last sentence says
    where they belong; without such blocks, the paragraphs that hold an equals sign.
    """
    own = inspect.cleandoc(layer.__doc__ or "").partition("\n\nParameters\n---")[0]
    pages = [inspect.getdoc(sys.modules[layer.__module__]) or "", own]
    found: dict[str, list[str]] = {}
    for page in pages:
        for paragraph, block in _BLOCK.findall(page + "\n"):
            head = re.split(r"(?<!\.)\.\s+", paragraph)[-1]
            named = re.search(r"(feed|backprop)(\s+and\s+(?:feed|backprop))?", head.lower())
            part = named[1] if named and not named[2] else ""
            told = " ".join(head.split())
            found.setdefault(part, []).append(f"{told}:\n\n{block.rstrip()}".lstrip(":\n"))
    if not found:
        paragraphs = [p for page in pages for p in page.split("\n\n") if " = " in p]
        found = {"": paragraphs} if paragraphs else {}
    return {part: "\n\n".join(texts) for part, texts in found.items()}


_BLOCK = re.compile(r"^((?:\S.*\n)*(?:\S.*)?)::\n\n((?:[ ]+\S.*\n?|\n)+)", re.MULTILINE)
"""A paragraph, without its ``::``, and the indented block behind it."""
