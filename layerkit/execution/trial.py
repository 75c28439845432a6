"""Trials: a form of a recorded layer is used only after it gave what the methods as written give.

A trial runs on the first real batch of a structure and number of rows, on copies of parameters,
state and random stream, so it changes nothing. Backprop is tried with normal dL/dy. A form that
fails is not used for this number of rows; ``Trials`` remembers that, and a checkpoint keeps it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.domains import domain_of, keeping_whole_numbers
from layerkit.core.network import Network
from layerkit.core.output_functions import apply_link
from layerkit.core.parts import Link, Loss
from layerkit.core.planning import PlannedLayer
from layerkit.display import counted, quoted
from layerkit.errors import SpecError
from layerkit.execution.engine import Engine, LossStage, RecordedLayer
from layerkit.recording.record import Recording
from layerkit.recording.run import own_fields
from layerkit.threads import single_blas

_TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-11}
_OTHERWISE = 1.001, 0.999  # factors of x in the second and third comparison

Failure = tuple[str, str, str, int]
"""A layer's name, the engine, "training" or "inference", and the number of rows."""


class Trials:
    """What was tried of one network: which forms passed, and which failed."""

    def __init__(self) -> None:
        self.failed: set[Failure] = set()
        self._passed: set[tuple[object, ...]] = set()
        self.remarks: list[str] = []

    def failures(self) -> list[list[object]]:
        """The forms that failed in training, for a checkpoint.

        Those of inference are left out, for they depend on what was predicted in between, too: a
        training that goes on finds them again.
        """
        return [list(failure) for failure in sorted(self.failed) if failure[2] == "training"]

    def restore(self, saved: object) -> None:
        """Take over what ``failures`` gave; raises SpecError if it is something else."""
        failed = saved.get("failed") if isinstance(saved, dict) else None
        if not isinstance(failed, list):
            raise _malformed(saved)
        for one in failed:
            if not isinstance(one, list) or [type(v) for v in one] != [str, str, str, int]:
                raise _malformed(one)
            self.failed.add((one[0], one[1], one[2], one[3]))

    def choose(
        self,
        network: Network,
        layers: Sequence[RecordedLayer],
        engines: Sequence[Engine],
        x: Array,
        streams: Mapping[str, np.random.Generator],
        *,
        keeps: bool,
        wants_dx: bool,
    ) -> list[Engine | None]:
        """The engine of each layer for batches like x; None: run it as it is written.

        Tries every form that has not been tried for this number of rows.
        """
        rows, faults = len(x), {}
        while True:
            chosen = [self._first(p, recorded, engines, rows) for p, recorded in layers]
            new: dict[int, tuple[object, ...]] = {}
            for i, ((_, recorded), engine) in enumerate(zip(layers, chosen, strict=True)):
                key = recorded, engine, keeps, wants_dx or i > 0, rows
                if engine is not None and key not in self._passed and key not in new.values():
                    new[i] = key
            if not new:
                break
            given = x
            for i, (p, recorded) in enumerate(layers[: max(new) + 1]):
                own = {k: s for k, s in streams.items() if k.split(".")[0] == p.name}
                inner = wants_dx or i > 0
                trial = _Trial(p, network.dtype, own, keeps=keeps, wants_dx=inner)
                if i in new and (engine := chosen[i]) is not None:
                    if fault := trial.fault(engine, recorded, given):
                        faults[recorded] = fault
                        equal = [p for p, other in layers if other is recorded]
                        self.failed |= {_failure(p, recorded, engine, rows) for p in equal}
                        break  # its neighbours may be cut differently now
                    self._passed.add(new[i])
                given = trial.eager(given)
        self._remark(layers, chosen, faults, rows)
        return chosen

    def _remark(
        self,
        layers: Sequence[RecordedLayer],
        chosen: Sequence[Engine | None],
        faults: Mapping[Recording, str],
        rows: int,
    ) -> None:
        """Say how the layers run whose first form failed."""
        for recorded, fault in faults.items():
            own = [i for i, (_, other) in enumerate(layers) if other is recorded]
            names, engine = [layers[i][0].name for i in own], chosen[own[0]]
            how = "as written" if engine is None else f"in the {engine.type_name} form"
            batches = f"batches of {counted(rows, 'row')}"
            self.remarks.append(f"{', '.join(names)}: {batches} run {how}: {fault}")

    def _first(
        self, p: PlannedLayer, recorded: Recording, engines: Sequence[Engine], rows: int
    ) -> Engine | None:
        """The first engine whose form has not failed."""
        left = (e for e in engines if _failure(p, recorded, e, rows) not in self.failed)
        return next((engine for engine in left if not engine.refuses(recorded, p)), None)

    def row_failed(self, engine: Engine) -> bool:
        """Whether the engine's form for a single row failed."""
        return ("", engine.type_name, "row", 1) in self.failed

    def row(self, network: Network, engine: Engine, link: Link, x: Array, given: Array) -> bool:
        """Whether the predictions ``given`` of the row x are what the layers as written give."""
        expected = x.copy()
        with single_blas():
            for p in network.planned:
                trial = _Trial(p, network.dtype, {}, keeps=False, wants_dx=False)
                expected = trial.eager(expected)
        agrees = not self.row_failed(engine) and close(given, apply_link(link, expected))
        if not agrees:
            self.failed.add(("", engine.type_name, "row", 1))
        return agrees

    def loss(
        self, loss: Loss, form: LossStage, scores: Array, targets: Array, weights: Array
    ) -> bool:
        """Whether ``form`` gives what the loss as written gives."""
        key = loss, form, len(scores)
        if key in self._passed:
            return True
        ctx = Context(scores.dtype, training=True)
        with np.errstate(all="ignore"):
            try:
                lost, dy = form.learn(scores, targets, weights)
            except Exception:  # noqa: BLE001  # the loss runs as it is written
                return False
            expected = float(loss.feed(scores, targets, ctx) @ weights)
            slope = np.asarray(loss.backprop(weights, ctx))
        agrees = close(np.asarray(lost, scores.dtype), np.asarray(expected, scores.dtype))
        agrees = agrees and (not np.isfinite(expected) or close(dy, slope))
        if agrees:
            self._passed.add(key)
        return agrees


def _failure(p: PlannedLayer, recorded: Recording, engine: Engine, rows: int) -> Failure:
    return p.name, engine.type_name, "training" if recorded.training else "inference", rows


def _malformed(saved: object) -> SpecError:
    return SpecError(
        f"expected failed forms [layer, engine, mode, rows], got {quoted(saved)}",
        location="training.callbacks.trials",
    )


def trials_of(network: Network) -> Trials:
    """The trials of ``network``, kept with it."""
    found: Trials = network.kept.setdefault("trials", Trials())
    return found


class _Trial(NamedTuple):
    """Runs one layer alone, on copies of what it has."""

    p: PlannedLayer
    dtype: np.dtype[Any]
    streams: Mapping[str, np.random.Generator]  # of the layer and those inside it
    keeps: bool
    wants_dx: bool

    def eager(self, x: Array) -> Array:
        """The output of the method as written."""
        y: Array = self._results(x, back=False)["y"]
        return y

    def fault(self, engine: Engine, recorded: Recording, x: Array) -> str:
        """How the form differs from the methods as written; empty if it does not.

        Where a number lies at a kink (relu at 0), rounding decides between two right slopes. So a
        form that differs once must agree twice on rows that are a little longer and shorter. And
        where no number of a result is finite there is nothing to compare: other rows decide.
        """
        fault, others = self._compared(engine, recorded, x)
        if not others or x.dtype.kind != "f":
            return fault
        return next(filter(None, (self._compared(engine, recorded, o)[0] for o in others)), "")

    def _compared(self, engine: Engine, recorded: Recording, x: Array) -> tuple[str, list[Array]]:
        """What differs, and other rows that should decide."""
        domain = domain_of(self.p.plan.takes, math.prod(self.p.in_shape))
        try:
            expected = self._results(x, back=self.keeps)
        except Exception:  # noqa: BLE001  # the run as written names what is wrong
            return "feed or backprop raises an exception", []
        try:
            given = self._results(x, engine, recorded, back=self.keeps)
        except Exception as error:  # noqa: BLE001  # the layer runs as it is written
            return f"the {engine.type_name} form raised {type(error).__name__}: {error}", []
        if differs := _difference(given, expected):
            fault = (
                f"the {engine.type_name} form gives another {differs} than feed and backprop "
                "as written, which depend on something that is not recorded, such as the "
                "number of rows"
            )
            others = [x * x.dtype.type(factor) for factor in _OTHERWISE]
            return fault, [keeping_whole_numbers(x, other, domain) for other in others]
        if blind := _blind(expected):
            others = [keeping_whole_numbers(x, _normal(x), domain)]
            return f"no number of its {blind} is finite", others
        return "", []

    def _results(
        self, x: Array, engine: Engine | None = None, recorded: Any = None, *, back: bool
    ) -> dict[str, Any]:
        """Everything that a pass gives, by name: of the engine's form, or as written."""
        p, streams = self.p, {name: copy.deepcopy(s) for name, s in self.streams.items()}
        alone = _alone(p, self.dtype)
        layer = alone.planned[0].layer
        feed: Callable[[Array], Array]
        backprop: Callable[[Array], Array]
        if engine is None:
            contexts = alone.contexts(
                training=self.keeps, keeps=back, streams=streams, wants_dx=self.wants_dx
            )
            feed, backprop = (partial(f, contexts=contexts) for f in (alone.feed, alone.backprop))
        else:
            members = [(alone.planned[0], recorded)]
            stage = engine.stage(alone, members, keeps=self.keeps, wants_dx=self.wants_dx)
            stage.streams = streams
            feed, backprop = stage.feed, stage.backprop
        with np.errstate(all="ignore"):
            found: dict[str, Any] = {"y": np.array(feed(x))}
            found |= {f"state {name}": array.copy() for name, array in layer.state.items()}
            if back:
                found["dy"] = dy = _normal(found["y"])
                dx = backprop(dy)
                found |= {f"grad {name}": array.copy() for name, array in layer.grads.items()}
                found |= {"dx": np.array(dx)} if self.wants_dx else {}
        found["stream"] = {name: s.bit_generator.state for name, s in streams.items()}
        return found


def _alone(p: PlannedLayer, dtype: np.dtype[Any]) -> Network:
    """A network of this layer alone, with copies of its parameters and state."""
    twin = p.copied()
    for one in twin.nested():
        for name, value in own_fields(one.layer).items():
            setattr(one.layer, name, copy.deepcopy(value))
    alone, layer = Network([twin], dtype), twin.layer
    for own, given in (layer.params, p.layer.params), (layer.state, p.layer.state):
        for name, array in given.items():
            own[name][...] = array
    return alone


def _normal(x: Array) -> Array:
    """Rows of the same shape, all of them finite."""
    return np.random.default_rng(len(x)).standard_normal(x.shape).astype(x.dtype)


def _blind(expected: Mapping[str, Any]) -> str:
    """The name of the first result without a single finite number; empty if there is none."""
    for name, value in expected.items():
        if isinstance(value, np.ndarray) and value.size and not np.isfinite(value).any():
            return name
    return ""


def _difference(given: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """The name of the first result that differs; empty if none does."""
    slopes = [v for k, v in expected.items() if k in ("dy", "dx") or k.startswith("grad ")]
    floor = max((float(np.abs(v).max(initial=0)) for v in slopes), default=0.0)
    for name, value in expected.items():
        if name == "stream":
            same = repr(given.get(name)) == repr(value)
        else:
            held = floor if name == "dx" or name.startswith("grad ") else 0.0
            same = name in given and close(given[name], value, held)
        if not same:
            return name
    return ""


def close(a: Array, b: Array, floor: float = 0.0) -> bool:
    """Whether ``a`` is ``b`` up to rounding; ``floor`` is the least size that errors are held to.

    Sums that cancel leave rounding errors as large as those of their terms.
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    tolerance = _TOLERANCE.get(b.dtype)
    if tolerance is None:
        return np.array_equal(a, b)
    finite = np.isfinite(b)
    if not np.array_equal(np.isfinite(a), finite):
        return False
    a, b = np.where(finite, a, 0), np.where(finite, b, 0)
    scale = max(floor, float(np.abs(b).max(initial=0)))
    return float(np.abs(a - b).max(initial=0)) <= tolerance * scale
