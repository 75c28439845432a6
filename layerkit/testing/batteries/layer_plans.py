"""Plans of layers: well formed, without side effects, and true to shapes and parameters."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.layer import Layer, Param, Plan
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import initializer
from layerkit.display import byte_size, quoted
from layerkit.errors import LayerkitError, ShapeError
from layerkit.testing.arrays import equal
from layerkit.testing.layer_trial import LayerTrial, float32_trial
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Example, Subject, Trial
from layerkit.testing.verdicts import Failed, at

BATTERY = Battery("plan.shape", trial=LayerTrial)


@BATTERY.rule(
    "plan.valid",
    why="The plan is all that is known of a layer before anything is allocated: builders, files "
    "and memory limits rely on it.",
    fix="return Plan(out_shape, {'W': Param((i, o), 'glorot_uniform'), 'b': Param((o,))}), with "
    "integers in every shape",
    needs=("settings.constructor",),
    trial=Trial,
)
def _valid(trial: Trial) -> str | None:
    with trial.catch("plan"):
        plan = trial.part.plan(trial.example.shape)
    if not isinstance(plan, Plan):
        raise Failed(f"plan: expected a Plan, got {quoted(plan)}")
    if not isinstance(plan.out_shape, tuple):
        raise Failed(f"plan: expected a tuple as out_shape, got {quoted(plan.out_shape)}")
    holding = [name for name, value in trial.arguments.items() if _holds_layers(value)]
    if holding and not plan.parts:
        raise Failed(
            f"plan: self.{holding[0]} holds layers, but the Plan has no parts, so they get no "
            "parameters and self.parts is empty",
            f"give them to the plan: `parts = chain(self.{holding[0]}, in_shape)`, "
            "`Plan(out_shape, parts=parts)`",
        )
    try:
        plan_layers([("layer", trial.part)], trial.example.shape)
    except LayerkitError as error:
        raise Failed(str(error)) from error
    for name, param in {**plan.params, **plan.state}.items():
        if not isinstance(param.init, (str, int, float, Mapping)):
            raise Failed(
                f"plan: expected a number or an initializer as the start of {name!r}, got "
                f"{quoted(param.init)}"
            )
    return "; ".join(_doubts(plan)) or None


def _holds_layers(value: object) -> bool:
    """Whether a setting holds (name, layer) pairs."""
    pairs = value if isinstance(value, (list, tuple)) else ()
    return any(isinstance(p, tuple) and p and isinstance(p[-1], Layer) for p in pairs)


def _doubts(plan: Plan) -> Iterator[str]:
    """What is allowed, and seldom meant."""
    for name, param in plan.params.items():
        starts_alike = isinstance(param.init, (int, float))  # as biases do
        one_axis = len(param.shape) > 1 and param.size == max(param.shape)
        if param.decay is None and starts_alike and one_axis:
            yield (
                f"{name!r} {list(param.shape)} is a matrix to weight decay; if it is a bias, give "
                "it decay=False, or the shape of a row"
            )
        if len(param.shape) > 2 and param.fan_in is None and _scales(param):
            yield (
                f"{name!r} {list(param.shape)} starts by its fans, taken as {param.size} and "
                f"{param.size}: give fan_in= and fan_out="
            )


def _scales(param: Param) -> bool:
    """Whether the parameter's initializer scales by fans."""
    if isinstance(param.init, (int, float)):
        return False
    try:
        start = initializer(param.init)
        few, many = (start.make(param.shape, (n, n), np.random.default_rng(0)) for n in (2, 8))
    except Exception:  # noqa: BLE001  # plan.shape reports it
        return False
    return not np.array_equal(few, many)


@BATTERY.rule(
    "plan.shape",
    why="The next layer is built for the shape that this one declares.",
    fix="make out_shape in `plan` and the arrays returned by feed and backprop agree",
    needs=("plan.valid",),
    trial=partial(LayerTrial, any_dtype=True),
)
def _shape(trial: LayerTrial) -> None:
    ctx, x = trial.context(), trial.rows(4)
    trial.feed(x, ctx)
    trial.backprop(trial.cotangent(4), ctx)
    moves = trial.plan.moves
    if moves is not None:
        moved = x.reshape(4, -1)[:, np.asarray(moves, np.int64)]
        if not equal(trial.predict(x).reshape(4, -1), moved):
            raise Failed(
                "the outputs are not the inputs that moves names, unchanged",
                "declare for each number of an output row which number of the input row it is, or "
                "leave moves out",
            )


_DTYPE_FIX = (
    "make arrays with dtype=ctx.dtype, and use Python numbers (0.5), not NumPy's "
    "(np.float64(0.5)), which widen the arrays they meet"
)


@BATTERY.rule(
    "dtype.float64",
    why="Gradients can be checked in float64 only; a float32 constant inside spoils the digits.",
    fix=_DTYPE_FIX,
)
def _float64(trial: LayerTrial) -> None:
    trial.run(trial.rows(4), trial.cotangent(4))
    trial.predict(trial.rows(4))


BATTERY.rule(
    "dtype.float32",
    why="Models run in float32: one promotion doubles memory and time of every layer after it.",
    fix=_DTYPE_FIX,
    trial=float32_trial,
)(_float64)


@BATTERY.rule(
    "plan.pure",
    why="Plans are made for specs that will be refused, and for 10^12 units: a plan must not "
    "allocate arrays or keep anything.",
    fix="compute in `plan` with integers only, and store nothing in self",
    needs=("plan.valid",),
    trial=Trial,
)
def _pure(trial: Trial) -> None:
    layer, shape = trial.part, trial.example.shape
    before = dict(vars(layer))
    plan = layer.plan(shape)
    if layer.plan(shape) != plan:
        raise Failed("two plans of one layer differ")
    if trial.subject.make(trial.example.config).plan(shape) != plan:
        raise Failed("two layers with the same settings plan differently")
    stored = [n for n, v in vars(layer).items() if n not in before or before[n] is not v]
    if stored:
        raise Failed(
            f"plan stores something in self.{stored[0]}",
            "feed knows the shapes too: x.shape and self.params[...].shape",
        )
    wide = tuple(d * 1000 for d in shape)
    peak = _allocated(layer, wide)
    if peak > 1_000_000:
        raise Failed(f"planning rows of shape {list(wide)} allocates {byte_size(peak)}")


def _allocated(layer: Layer, shape: Shape) -> int:
    """Peak memory in bytes of planning for ``shape``; 0 if such rows are refused."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        try:
            layer.plan(shape)
        except Exception:  # noqa: BLE001  # plan.refuses reports it
            return 0
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not tracing:
            tracemalloc.stop()


def _odd_shapes(subject: Subject) -> Iterator[Example]:
    """The first example at shapes of other numbers of axes, and without elements."""
    first = subject.examples[0]
    for shape in ((), (3,), (2, 3), (2, 3, 4), (0,)):
        if len(shape) != len(first.shape) or not all(shape):
            yield Example(f"example 0 at {list(shape)}", first.config, shape)


@BATTERY.rule(
    "plan.refuses",
    why="A shape that a layer cannot take must be refused when the model is built, with a clear "
    "message, and not in the middle of a pass.",
    fix="begin `plan` with `if len(in_shape) != 1: raise ShapeError('expected rows with "
    "one axis, got shape ...')`, or handle any number of axes; `if not in_shape` refuses no more "
    "than rows of one number",
    over=_odd_shapes,
    trial=Trial,
)
def _refuses(trial: Trial) -> None:
    shape = trial.example.shape
    try:
        trial.part.plan(shape)
    except ShapeError:
        return
    except (Exception, SystemExit) as error:  # whatever a plugin raises
        raise Failed(
            f"plan: expected a ShapeError or a Plan, got {type(error).__name__}: {error}"
        ) from error
    if math.prod(shape):
        with at("plan accepts this shape, but"):
            accepted = LayerTrial(trial.subject, trial.example)
            accepted.run(accepted.rows(2), accepted.cotangent(2))


@BATTERY.rule(
    "plan.parameters",
    why="Exactly the parameters that a plan declares are counted, saved and trained.",
    fix="declare every trained array in `plan`, use every one in feed, and keep none in self",
)
def _parameters(trial: LayerTrial) -> None:
    layer, declared = trial.layer, trial.plan.params
    read: set[str] = set()
    table = _ReadLog(layer.params, read, {n: (n,) for n in layer.params})
    trial.network.planned[0].bind(params=table)
    layer.joined = _ReadLog(layer.joined, read, trial.plan.joined)
    ctx = trial.context()
    trial.feed(trial.rows(3), ctx)
    unread = [name for name in declared if name not in read]
    if unread:
        idle = sum(declared[name].size for name in unread)
        total = sum(param.size for param in declared.values())
        raise Failed(
            f"plan declares {unread[0]!r}, but feed never reads it: {idle:,} of {total:,} "
            "parameters do nothing"
        )
    trial.backprop(trial.cotangent(3), ctx)
    hidden = [n for n, v in vars(layer).items() if isinstance(v, np.ndarray)]
    if hidden:
        raise Failed(
            f"after a pass the layer holds an array of its own, self.{hidden[0]}",
            "a trained array belongs in Plan.params, one that is kept but not trained in "
            "Plan.state, one of a single pass in ctx.save(...)",
        )


class _ReadLog(dict[str, Array]):
    """A table of parameters that logs which of them are read."""

    def __init__(
        self, table: Mapping[str, Array], read: set[str], of: Mapping[str, tuple[str, ...]]
    ) -> None:
        super().__init__(table)
        self._read, self._of = read, of

    def __getitem__(self, name: str) -> Array:
        self._read.update(self._of.get(name, ()))
        return super().__getitem__(name)

    def within(self, part: str) -> _ReadLog:
        """Those of a part of a container, by the names that the part gives them."""
        start = f"{part}."
        names = {name: name[len(start) :] for name in self if name.startswith(start)}
        table = {short: dict.__getitem__(self, name) for name, short in names.items()}
        of = {short: self._of[name] for name, short in names.items()}
        return _ReadLog(table, self._read, of)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401  # this is `get`

    def items(self) -> Any:
        return [(name, self[name]) for name in self]

    def values(self) -> Any:
        return [self[name] for name in self]
