"""A layer's plan: well formed, pure, and true: shapes, parameters and cost are those observed."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from layerkit.core.layer import Array, Plan, Shape
from layerkit.core.planning import plan_layers
from layerkit.display import quoted
from layerkit.errors import LayerkitError, ShapeError
from layerkit.testing.bench import F32, F64, Bench
from layerkit.testing.counting import Counter, Unobservable, count
from layerkit.testing.rules import Battery, Failed, Skipped
from layerkit.testing.subject import Example, Subject, calling

__all__ = ["BATTERY"]

BATTERY = Battery("plan.shape")


@BATTERY.rule(
    "plan.valid",
    why="The plan is all that is known of a layer before anything is allocated: builders, files "
    "and memory limits rely on it.",
    fix="return Plan(out_shape, {'W': Param((i, o), 'glorot_uniform'), 'b': Param((o,))}, "
    "macs=i * o), with whole numbers in every shape",
    needs=("settings.constructor",),
)
def _valid(subject: Subject) -> str | None:
    for example in subject.examples:
        layer = subject.make(example.config)
        with calling(subject.part, f"{example}: plan"):
            plan = layer.plan(example.shape)
        if not isinstance(plan, Plan):
            raise Failed(f"{example}: plan gave {quoted(plan)}, no Plan")
        if not isinstance(plan.out_shape, tuple):
            raise Failed(f"{example}: out_shape is {quoted(plan.out_shape)}, a tuple is wanted")
        if type(plan.macs) is not int or plan.macs < 0:
            raise Failed(f"{example}: macs is {quoted(plan.macs)}, a whole number is wanted")
        try:
            plan_layers([("layer", layer)], example.shape)
        except LayerkitError as error:
            raise Failed(f"{example}: {error}") from error
        for name, param in {**plan.params, **plan.state}.items():
            if not isinstance(param.init, (str, int, float, Mapping)):
                raise Failed(f"{example}: {name!r} starts as {quoted(param.init)}")
    return None


@BATTERY.rule(
    "plan.shape",
    why="The next layer is built for the shape that this one promised.",
    fix="let out_shape in `plan`, and the arrays that feed and backprop return, agree",
    needs=("plan.valid",),
)
def _shape(subject: Subject) -> str | None:
    for example in subject.examples:
        bench = Bench(subject, example, any_dtype=True)
        ctx = bench.context()
        bench.feed(bench.rows(4), ctx)
        bench.backprop(bench.cotangent(4), ctx)
    return None


_DTYPE_FIX = (
    "take scratch memory from ctx.buffer, make arrays with dtype=ctx.dtype, and use Python's "
    "numbers (0.5), not NumPy's (np.float64(0.5)), which widen what they meet"
)


@BATTERY.rule(
    "dtype.float64",
    why="Gradients can be checked in float64 only; a float32 constant inside spoils the digits.",
    fix=_DTYPE_FIX,
)
def _float64(subject: Subject) -> str | None:
    return _kept(subject, F64)


@BATTERY.rule(
    "dtype.float32",
    why="Models run in float32: one promotion doubles memory and time of every layer after it.",
    fix=_DTYPE_FIX,
)
def _float32(subject: Subject) -> str | None:
    return _kept(subject, F32)


def _kept(subject: Subject, dtype: np.dtype[np.generic]) -> str | None:
    """A pass in training and one in inference; the bench tells of another dtype."""
    for example in subject.examples:
        bench = Bench(subject, example, dtype)
        bench.run(bench.rows(4), bench.cotangent(4))
        bench.predict(bench.rows(4))
    return None


@BATTERY.rule(
    "plan.pure",
    why="Plans are made for specs that will be refused, and for 10^12 units: nothing may be "
    "allocated or remembered.",
    fix="compute in `plan` with whole numbers only, and store nothing in self",
    needs=("plan.valid",),
)
def _pure(subject: Subject) -> str | None:
    for example in subject.examples:
        layer = subject.make(example.config)
        before = dict(vars(layer))
        first, second = layer.plan(example.shape), layer.plan(example.shape)
        if first != second:
            raise Failed(f"{example}: two plans of one layer differ")
        if subject.make(example.config).plan(example.shape) != first:
            raise Failed(f"{example}: two equal layers plan differently")
        changed = _changed(before, vars(layer))
        if changed:
            raise Failed(
                f"{example}: plan stored something in self.{changed}",
                "shapes are known in feed too: x.shape and self.params[...].shape",
            )
        wide = tuple(d * 1000 for d in example.shape)
        peak = _allocated(layer, wide)
        if peak > 1_000_000:
            raise Failed(f"{example}: planning rows of shape {list(wide)} allocated {peak:,} bytes")
    return None


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> str | None:
    """An attribute that was made or replaced."""
    return next((n for n, v in after.items() if n not in before or before[n] is not v), None)


def _allocated(layer: object, shape: Shape) -> int:
    """The most bytes that planning for ``shape`` held at a time; 0 if such rows are refused."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        try:
            layer.plan(shape)  # type: ignore[attr-defined]
        except Exception:  # noqa: BLE001  # other checks tell of it
            return 0
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not tracing:
            tracemalloc.stop()


@BATTERY.rule(
    "plan.refuses",
    why="A shape that a layer cannot take must be refused when the model is built, with words, and "
    "not in the middle of a pass.",
    fix="begin `plan` with `if len(in_shape) != 1: raise ShapeError('... takes rows of one axis, "
    "these are of shape ...')`, or handle any number of axes",
)
def _refuses(subject: Subject) -> str | None:
    for case in _odd_shapes(subject.examples[0]):
        layer = subject.make(case.config)
        try:
            layer.plan(case.shape)
        except ShapeError:
            continue
        except (Exception, SystemExit) as error:  # whatever a plugin raises
            said = f"{type(error).__name__}: {error}"
            raise Failed(
                f"rows of shape {list(case.shape)}: plan raised {said}, where ShapeError is wanted"
            ) from error
        if math.prod(case.shape) == 0:
            continue
        try:
            bench = Bench(subject, case)
            bench.run(bench.rows(2), bench.cotangent(2))
        except Failed as error:
            raise Failed(
                f"plan accepts rows of shape {list(case.shape)}, and then it fails: {error}"
            ) from error
    return None


def _odd_shapes(example: Example) -> Iterator[Example]:
    """The example at shapes of other numbers of axes."""
    for shape in ((), (3,), (2, 3), (2, 3, 4), (0,)):
        if len(shape) != len(example.shape) or not all(shape):
            yield Example(f"example 0 at {list(shape)}", example.config, shape)


@BATTERY.rule(
    "plan.parameters",
    why="What a plan declares is counted, saved and trained, and nothing else is.",
    fix="declare every trained array in `plan`, use every one in feed, and keep none in self",
)
def _parameters(subject: Subject) -> str | None:
    for example in subject.examples:
        bench = Bench(subject, example)
        layer = bench.layer
        held = sum(a.size for a in layer.params.values())
        wanted = sum(p.size for p in bench.plan.params.values())
        read: set[str] = set()
        groups = bench.plan.joined
        layer.params = _Noticing(layer.params, read, {n: (n,) for n in layer.params})
        layer.joined = _Noticing(layer.joined, read, groups)
        ctx = bench.context()
        bench.feed(bench.rows(3), ctx)
        unread = [name for name in bench.plan.params if name not in read]
        if unread:
            raise Failed(
                f"{example}: plan declares {unread[0]!r}, and feed never reads it: {held - wanted}"
                f"{_size(bench, unread)} parameters of {wanted} do nothing"
            )
        bench.backprop(bench.cotangent(3), ctx)
        hidden = [n for n, v in vars(layer).items() if isinstance(v, np.ndarray)]
        if hidden:
            raise Failed(
                f"{example}: after a pass the layer holds an array of its own, self.{hidden[0]}",
                "a trained array belongs into Plan.params, one that is kept but not trained into "
                "Plan.state, one of a single pass into ctx.save(...)",
            )
    return None


def _size(bench: Bench, names: list[str]) -> str:
    return str(sum(bench.plan.params[name].size for name in names))


class _Noticing(dict[str, Array]):
    """A table that notes which parameters were read."""

    def __init__(
        self, table: Mapping[str, Array], read: set[str], of: Mapping[str, tuple[str, ...]]
    ) -> None:
        super().__init__(table)
        self._read, self._of = read, of

    def __getitem__(self, name: str) -> Array:
        self._read.update(self._of.get(name, ()))
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401  # this is `get`

    def items(self) -> Any:
        return [(name, self[name]) for name in self]

    def values(self) -> Any:
        return [self[name] for name in self]


@BATTERY.rule(
    "plan.macs",
    why="Builders and comparisons show a layer's cost by the figure that it declares.",
    fix="declare the multiply-adds of feed's matrix products for one row: a product of (n, i) with "
    "(i, o) counts i * o; elementwise operations do not count",
)
def _macs(subject: Subject) -> str | None:
    seen = []
    for example in subject.examples:
        bench = Bench(subject, example)
        counted = [_count(bench, n) for n in (2, 5)]
        few, many = (counter.products for counter in counted)
        each, rest = divmod(many - few, 3)
        fixed = few - 2 * each
        if each == bench.plan.macs and not rest:
            seen.append(fixed)
            continue
        opaque = sorted(counted[1].opaque)
        if opaque:
            raise Skipped(f"what {', '.join(opaque)} multiplies cannot be counted")
        if many == 0 and counted[1].multiplied >= bench.plan.macs * 5:
            raise Skipped(
                f"no matrix product was seen; {bench.plan.macs:,} declared multiply-adds may be "
                "elementwise, which is not counted"
            )
        per_row = f"{each:,}" if not rest else f"{(many - few) / 3:,.1f}"
        raise Failed(
            f"{example}: plan declares {bench.plan.macs:,} multiply-adds a row, the products of "
            f"feed have {per_row}: {counted[1].listing(5)}"
        )
    if any(seen):
        return f"products that do not grow with the rows are not in macs: {max(seen):,} in a feed"
    return None


def _count(bench: Bench, n: int) -> Counter:
    try:
        return count(bench, bench.rows(n))
    except Unobservable as error:
        raise Skipped(f"products could not be observed: {error}") from error
