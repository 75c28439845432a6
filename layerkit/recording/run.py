"""One run of a layer on recording arrays: what the layer sees, and what must not have changed.

The run is made on a copy with numbers of its own, so that nothing of the model is touched: not its
parameters, gradients and state, not its random streams, not the layer's fields.
"""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.core.arrays import Arrays
from layerkit.core.context import Array, Context, Shape
from layerkit.core.domains import with_whole_numbers
from layerkit.core.layer import Layer
from layerkit.core.optimizer import Optimizer
from layerkit.core.planning import Parts, PlannedLayer
from layerkit.recording.arrays import (
    NotRecorded,
    RecordedArray,
    RecordedNumber,
    Tape,
    author_line,
    constant,
    line_of,
    lower,
    recorded,
)
from layerkit.recording.graph import Graph, Node, in_order

_SET_BY_MODEL = {"params", "grads", "state", "span", "ties", "joined", "joined_grads"}
"""Attributes of layers that are not settings."""

_SET_BY_STEPS = {"rate", "steps", "decay", "slots", "_params", "_grads", "_mask", "_blocks"}
"""Attributes of optimizers that are not settings."""


class Run:
    """The leaves of one run with ``n`` rows, filled with random numbers."""

    def __init__(self, n: int, dtype: Any) -> None:
        self.n, self.dtype, self.tape = n, np.dtype(dtype), Tape()
        self.draws: list[Node] = []
        self._numbers = np.random.default_rng(n)
        self._normal = self._numbers.standard_normal(1021)  # a prime: no axis repeats it evenly

    def leaf(
        self,
        op: str,
        name: str,
        shape: Shape,
        *,
        dtype: Any = None,
        whole: int = 0,
        domain: Array | None = None,
        frozen: bool = True,
    ) -> RecordedArray:
        """A leaf; states are positive, as variances are.

        Integers are below ``whole``, and floats whole numbers where ``domain`` says so.
        """
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        if op == "undefined":
            value = np.zeros(shape, dtype)
        elif dtype.kind in "iub":
            value = self._numbers.integers(0, whole or 2, shape).astype(dtype)
        else:
            value = np.resize(self._normal.astype(dtype), shape)
            if domain is not None:
                value = with_whole_numbers(value, domain, self._numbers)
        if op == "state":
            value = np.abs(value) + dtype.type(0.1)
        return RecordedArray(self.tape, Node(op, (name,)), np.asarray(value), frozen=frozen)

    def arrays(self, op: str, shapes: Mapping[str, Shape]) -> Arrays:
        """Leaves by name: assigning writes into them."""
        frozen = op == "param"
        leaves: Any = {k: self.leaf(op, k, shape, frozen=frozen) for k, shape in shapes.items()}
        return Arrays(leaves, "gradient" if op == "undefined" else op)

    def number(self, name: str, value: float) -> RecordedNumber:
        """A number that is known only when a step runs."""
        return RecordedNumber(self.tape, Node("number", (name,)), value)

    def context(self, *, training: bool, keeps: bool) -> Any:
        """The context of this run."""
        return _Context(self, "", training=training, keeps=keeps)

    def result(self, value: Any, step: str, shape: Shape) -> Node:
        """The node of what a step returned: it must be as planned, as in an eager run."""
        if isinstance(value, np.ndarray) and not recorded(value):
            value = RecordedArray(self.tape, constant(value), np.array(value))
        if not recorded(value):
            raise self.tape.refuse(f"{step} returns a {type(value).__name__}, not an array")
        if value.shape != shape or value.dtype != self.dtype:
            got = f"{value.dtype} of shape {list(value.shape)}"
            wanted = f"{self.dtype} of shape {list(shape)}"
            raise self.tape.refuse(f"{step} returns {got} where {wanted} is planned")
        node: Node = lower(self.tape, value)[1]
        return node


class _Context(Context):
    """The context that a layer sees while it is recorded; what version 1 had is refused."""

    __slots__ = ("_run",)

    def __init__(self, run: Run, path: str, *, training: bool, keeps: bool) -> None:
        stream: Any = _Stream(run, path) if training else None  # there is none in inference
        super().__init__(run.dtype, training=training, keeps=keeps, rng=stream)
        self._run, self._path = run, path

    def part(self, name: str) -> Context:
        """The context of the layer called ``name`` inside this one."""
        if name not in self._parts:
            path = f"{self._path}.{name}"
            part = _Context(self._run, path, training=self.training, keeps=self.keeps)
            self._parts[name], part._places = part, self._places
        return self._parts[name]

    def __getattr__(self, name: str) -> Any:
        raise self._run.tape.refuse(f"ctx.{name} cannot be recorded: write allocating NumPy")


class _Stream:
    """Stands for the random stream of a layer, or of one inside it: each draw is a node."""

    __class__ = property(lambda _: np.random.Generator)

    def __init__(self, run: Run, path: str) -> None:
        self._tape, self._path = run.tape, path
        self._real = np.random.default_rng(0)
        self._draws = run.draws

    def __getattr__(self, method: str) -> Any:
        if method.startswith("__"):
            raise AttributeError(method)
        if method in ("shuffle", "bit_generator", "spawn"):
            raise self._tape.refuse(f"ctx.rng.{method} cannot be recorded: use permutation")

        def draw(*args: Any, **kw: Any) -> RecordedArray | RecordedNumber:
            if kw.get("out") is not None:
                raise self._tape.refuse(f"ctx.rng.{method} with out=: use what it returns")
            values, nodes = lower(self._tape, args)
            named, named_nodes = lower(self._tape, tuple(kw.values()))
            value = getattr(self._real, method)(*values, **dict(zip(kw, named, strict=True)))
            pairs, number = tuple(zip(kw, named_nodes, strict=True)), len(self._draws)
            node = Node("random", (method, nodes, pairs, number, self._path), line=author_line())
            self._draws.append(node)
            if isinstance(value, (int, float)) and not isinstance(value, np.generic):
                return RecordedNumber(self._tape, node, value)
            return RecordedArray(self._tape, node, value)

        return draw


def written(arrays: Mapping[str, Any], op: str) -> dict[str, Node]:
    """The nodes of those arrays that are no longer leaves ``op``."""
    return {k: a.node for k, a in arrays.items() if (a.node.op, a.node.args) != (op, (k,))}


def run_once(
    part: Any,
    n: int,
    dtype: Any,
    steps: Callable[[Run, Any], Graph],
    inside: Sequence[PlannedLayer] = (),
) -> Graph:
    """The graph of ``steps`` on a copy of ``part``; whatever goes wrong means that there is none.

    ``inside`` are the parts of a container, which are copied too.

    Raises
    ------
    NotRecorded
        Also where the author's code caught it.
    """
    run, twin = Run(n, dtype), _twin(part)
    if inside:
        twin.parts = Parts(one.copied(_twin) for one in inside)
    before = _contents(twin)
    try:
        with np.errstate(all="ignore"):
            graph = call_on_recording_arrays(steps, run, twin)
    except Exception as error:  # an author's code may raise anything
        if run.tape.refusal is None:
            reason = f"{type(error).__name__} on recording arrays: {error}"
            raise NotRecorded(reason, _line_of_error(error)) from error
    if run.tape.refusal is not None:
        raise run.tape.refusal
    after = _contents(twin)
    if changed := [k for k in {**before, **after} if before.get(k) != after.get(k)]:
        raise NotRecorded(f"changes its own field {changed[0]!r} in a pass: use self.state")
    _check_defined(graph)
    return graph


def call_on_recording_arrays(steps: Callable[[Run, Any], Graph], run: Run, twin: Any) -> Graph:
    """The author's code is looked for above this function in the stack (``author_line``)."""
    return steps(run, twin)


def _check_defined(graph: Graph) -> None:
    """Refuse a graph that reads gradients or scratch memory as they were before."""
    reads = [(node, read) for node in in_order(graph.outputs()) for read in node.inputs()]
    for reader, read in [*reads, *((node, node) for node in graph.outputs())]:
        if read.op == "undefined":
            reason = f"{read.args[0]!r} is read before all of it was written"
            raise NotRecorded(reason, reader.line)


def _line_of_error(error: Exception) -> str:
    """The author's innermost line in a traceback."""
    places = traceback.walk_tb(error.__traceback__)
    return next(filter(None, [line_of(frame, number) for frame, number in places][::-1]), "")


def _twin(part: Any) -> Any:
    """A copy of a layer, loss or optimizer with copies of its own fields.

    A field that holds the model's arrays since an earlier pass would be recorded as numbers that
    stay. ``deepcopy`` keeps what it copied under ``id(memo)``.
    """
    twin = copy.copy(part)
    memo: dict[int, Any] = {}
    try:
        vars(twin).update({k: copy.deepcopy(v, memo) for k, v in own_fields(part).items()})
    except Exception as error:  # fields may be anything
        raise NotRecorded(f"holds what cannot be copied: {error}") from error
    copied = [a for a in memo.get(id(memo), ()) if isinstance(a, np.ndarray)]
    for kind in ("params", "grads", "state") if copied else ():
        for name, array in (getattr(part, kind, None) or {}).items():
            if any(np.may_share_memory(array, a) for a in copied):
                reason = f"a field of its own holds self.{kind}[{name!r}]: read it in each pass"
                raise NotRecorded(reason)
    return twin


def own_fields(part: Any) -> dict[str, Any]:
    """The fields of a part without those that the model sets, and without the layers inside."""
    others = _SET_BY_STEPS if isinstance(part, Optimizer) else _SET_BY_MODEL
    return {k: v for k, v in vars(part).items() if k not in others and not _holds_layers(v)}


def _holds_layers(value: Any) -> bool:
    """Whether a field holds the layers inside: the setting ``layers``, or ``Layer.parts``."""
    pairs = value if type(value) in (list, tuple) else ()
    inside = (isinstance(pair, tuple) and pair and isinstance(pair[-1], Layer) for pair in pairs)
    return isinstance(value, Parts) or any(inside)


def _contents(part: Any) -> dict[str, Any]:
    """What the fields of a part hold, and those of the layers inside it, by their names."""
    inside = isinstance(getattr(part, "parts", None), Parts)
    found = {k: _content(v) for k, v in own_fields(part).items()}
    for inner in part.parts if inside else ():
        found |= {f"{inner.name}.{k}": v for k, v in _contents(inner.layer).items()}
    return found


def _content(value: Any) -> Any:
    """What a field holds, so that it can be compared later."""
    try:
        return pickle.dumps(value)
    except Exception:  # noqa: BLE001  # what cannot be pickled is compared by identity
        return id(value)
