"""The trace of a layer: the operations of its feed and backprop, in its author's words.

A value has the name of the variable that held it when the author's method ended: ``H = np.tanh(a)``
makes an H. What no variable holds, such as the inner part of a longer line, is t1, t2, and so on;
the gradient of W is dW. A transposed array is no operation: it is written where it is read, as in
``x.T @ dz``.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, groupby
from typing import Any, NamedTuple

from layerkit.cli.author_text import Lines, equations_of
from layerkit.cli.failures import UsageError
from layerkit.cli.operation_text import (
    NAMED,
    count_text,
    dtype_name,
    is_transposed,
    operand,
    size_text,
    text_of,
)
from layerkit.core.planning import PlannedLayer
from layerkit.discovery.registry import REGISTRIES
from layerkit.display import nearest, quoted
from layerkit.recording.arrays import RecordedArray, line_of
from layerkit.recording.counting import Size, costs, multiply_adds
from layerkit.recording.graph import LEAVES, Count, Graph, Node
from layerkit.recording.record import record
from layerkit.specs.overrides import Setting
from layerkit.specs.resolve import read_spec

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
    lines = Lines(type(planned.layer))
    for (back, line), group in groupby(shown, lambda n: (n.serial > begin, n.line)):
        operations = [
            Operation(names[id(n)], text_of(n, names), n.shape, dtype_name(n), multiply_adds([n]))
            for n in group
        ]
        step = "backprop" if back else "feed"
        statements[step].append(Statement(lines.source(line), line, operations))
    told: dict[str, dict[str, str]] = {"feed": {}, "backprop": {}}
    for result, node in results.items():
        of_feed = result == "y" or result.startswith("new ")
        told["feed" if of_feed else "backprop"][result] = operand(node, names)
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
    return node.op == "broadcast_to" or is_transposed(node)


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
    used = {arg.args[0] for node in shown for arg in node.inputs() if arg.op in NAMED}
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
