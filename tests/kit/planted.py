"""Layers with one bug each, and the check that must find it: ``PLANTED``.

The first eleven are those that issue 3 names. Every check of the battery is here at least once.
The maths is that of tests/kit/sound.py: y = T * H + (1 - T) * A, dx = dH WH^T + dT WT^T + dA WA^T.
Source: own work.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from layerkit import Array, Context, Layer, Optimizer, Param, Plan, Shape, activation
from layerkit.fields import Size
from tests.kit.sound import Active, Carry, Centre, Mask

PLANTED: list[tuple[str, type[Layer], type[Layer]]] = []
"""(id of the check, the layer with the bug, the sound layer that it was made from)."""


def planted(*checks: str) -> Any:
    def enter(cls: type[Layer]) -> type[Layer]:
        if "type_name" not in vars(cls):
            cls.type_name = f"kit.{cls.__name__.lower()}"
        twin = cls.__mro__[1] if cls.__mro__[1] is not Layer else Carry
        PLANTED.extend((check, cls, twin) for check in checks)
        return cls

    return enter


# ---- the eleven of the issue


@planted("gradient.parameters")
class NoCarryInSlope(Carry):
    """dT without its carry term: dy * H instead of dy * (H - A)."""

    def slope(self, dy: Array, H: Array, T: Array, A: Array) -> Array:
        dT: Array = dy * H * T * (1 - T)
        return dT


@planted("gradient.inputs")
class LostPath(Carry):
    """One of the three paths of dL/dx is lost."""

    def back(self, dH: Array, dT: Array, dA: Array) -> Array:
        dx: Array = dH @ self.params["WH"].T + dA @ self.params["WA"].T
        return dx


@planted("gradient.parameters")
class BiasBroadcast(Carry):
    """The bias gets the sum over all axes, broadcast to its shape."""

    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        super().write(x, dH, dT, dA)
        self.grads["bH"][...] = dH.sum()


@planted("input.unchanged")
class OverwritesInput(Carry):
    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x.copy(), ctx)
        if x.flags.writeable:
            x *= 0.5
        return y


_CACHE: dict[str, Any] = {}


@planted("feeds.interleaved")
class SharedCache(Carry):
    """What feed leaves is kept in the module, for all feeds alike."""

    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x, ctx)
        if ctx.keeps:
            _CACHE["last"] = ctx.saved
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        ctx.begin()
        ctx.save(*_CACHE["last"])
        return super().backprop(dy, ctx)


@planted("stochastic.gradient")
class RedrawnMask(Mask):
    def backprop(self, dy: Array, ctx: Context) -> Array:
        if not ctx.training:
            return super().backprop(dy, ctx)
        m = (ctx.rng.random(dy.shape) < self.keep).astype(dy.dtype)
        dx: Array = dy * m / self.keep
        return dx


@planted("dtype.float32")
class Promotes(Carry):
    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = super().feed(x, ctx) * np.ones(1)
        return y


@planted("batch.permutation")
class OrderDependent(Carry):
    """In inference a row sees the sum of those before it."""

    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x, ctx)
        return y if ctx.training else y + 0.1 * np.cumsum(y, axis=0)


@planted("update.order")
class UpdatesEarly(Carry):
    """Its own step, taken before dL/dx is computed."""

    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        super().write(x, dH, dT, dA)
        for name, param in self.params.items():
            param -= 0.1 * self.grads[name]


@planted("settings.constructor")
class LosesSetting(Carry):
    """The argument is taken and forgotten."""

    def __init__(self, *, units: Size, gate_bias: float = -1.0) -> None:
        super().__init__(units=units)


@planted("global.random")
class GlobalSeed(Mask):
    def feed(self, x: Array, ctx: Context) -> Array:
        np.random.seed(0)  # noqa: NPY002  # the bug
        return super().feed(x, ctx)


# ---- one for every other check


@planted("declared.type_name")
class BadName(Carry):
    type_name = "Kit Bad Name!"


@planted("declared.type_name")
class TakenName(Carry):
    type_name = "dense"


@planted("declared.version")
class VersionZero(Carry):
    config_version = 0


@planted("declared.version")
class ContractTooNew(Carry):
    contract_version = 99


@planted("declared.exceptions")
class UnknownException(Carry):
    conformance_exceptions: ClassVar[Mapping[str, str]] = {"no.such": "there is no such check"}


@planted("declared.exceptions")
class NoReason(Carry):
    conformance_exceptions: ClassVar[Mapping[str, str]] = {"batch.split": "todo"}


@planted("declared.examples")
class NoExamples(Carry):
    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return []


@planted("settings.annotations")
class NoAnnotation(Carry):
    def __init__(self, *, units, gate_bias: float = -1.0) -> None:  # type: ignore[no-untyped-def]
        super().__init__(units=units, gate_bias=gate_bias)


@planted("settings.annotations")
class WrongAnnotation(Carry):
    def __init__(self, *, units: str, gate_bias: float = -1.0) -> None:
        super().__init__(units=units, gate_bias=gate_bias)  # type: ignore[arg-type]


@planted("settings.round_trip")
class NumbersAsKeys(Carry):
    """Keys come back from JSON as text."""

    def __init__(self, *, units: Size, table: dict | None = None) -> None:  # type: ignore[type-arg]
        super().__init__(units=units)
        self.table = table

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"units": 4, "table": {1: 2.0}}, (4,))]


@planted("plan.valid")
class PlansADict(Carry):
    def plan(self, in_shape: Shape) -> Plan:
        return {"out_shape": (self.units,)}  # type: ignore[return-value]


@planted("plan.shape")
class WrongShape(Carry):
    def feed(self, x: Array, ctx: Context) -> Array:
        return super().feed(x, ctx)[:, :1]


@planted("plan.pure")
class RemembersPlan(Carry):
    def plan(self, in_shape: Shape) -> Plan:
        self.width = in_shape[0] if len(in_shape) == 1 else 0
        return super().plan(in_shape)


@planted("plan.pure")
class AllocatesPlan(Carry):
    def plan(self, in_shape: Shape) -> Plan:
        np.zeros((in_shape[0] if in_shape else 1, 100))
        return super().plan(in_shape)


@planted("plan.refuses")
class IndexesShape(Carry):
    """Fails with an IndexError for rows without axes, and takes those of several."""

    def plan(self, in_shape: Shape) -> Plan:
        return super().plan((in_shape[0],))


@planted("plan.parameters")
class DeadParameter(Carry):
    def plan(self, in_shape: Shape) -> Plan:
        plan = super().plan(in_shape)
        return Plan(plan.out_shape, {**plan.params, "extra": Param((3,))})

    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        super().write(x, dH, dT, dA)
        self.grads["extra"][...] = 0


@planted("dtype.float64")
class Narrows(Carry):
    def feed(self, x: Array, ctx: Context) -> Array:
        return super().feed(x, ctx).astype(np.float32)


@planted("gradient.written")
class AddsGradients(Carry):
    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        before = {name: grad.copy() for name, grad in self.grads.items()}
        super().write(x, dH, dT, dA)
        for name, grad in self.grads.items():
            grad += before[name]


@planted("gradient.repeatable")
class SpoilsSaved(Carry):
    """The second backprop of one feed finds H scaled."""

    def slope(self, dy: Array, H: Array, T: Array, A: Array) -> Array:
        dT = super().slope(dy, H, T, A)
        H *= 0.5
        return dT


@planted("gradient.wants_dx")
class LeavesEarly(Carry):
    def backprop(self, dy: Array, ctx: Context) -> Array:
        return super().backprop(dy, ctx) if ctx.wants_dx else dy


@planted("gradient.float32")
class OtherInSingle(Carry):
    """The path for float32 forgets a factor that is near 1."""

    def slope(self, dy: Array, H: Array, T: Array, A: Array) -> Array:
        dT = super().slope(dy, H, T, A)
        return dT if dT.dtype == np.float64 else dT * np.float32(0.99)


@planted("gradient.activations")
class SlopeByOutput(Active):
    """Passes y for z: right for activations whose slope follows from y, and for no other."""

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, _, y = ctx.saved
        dz = activation(self.activation).backprop(dy, y, y)
        self.grads["W"] = x.T @ dz
        dx: Array = dz @ self.params["W"].T
        return dx


@planted("stochastic.replay")
class OwnGenerator(Mask):
    def feed(self, x: Array, ctx: Context) -> Array:
        if ctx.training:
            ctx.rng = np.random.default_rng()
        return super().feed(x, ctx)


@planted("scale.extreme")
class NaiveSigmoid(Active):
    def feed(self, x: Array, ctx: Context) -> Array:
        z = x @ self.params["W"]
        e = np.exp(z)
        y: Array = e / (1 + e)
        ctx.save(x, z, y)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, _, y = ctx.saved
        dz = dy * y * (1 - y)
        self.grads["W"] = x.T @ dz
        dx: Array = dz @ self.params["W"].T
        return dx


@planted("batch.empty")
class MeanOfNothing(Centre):
    def feed(self, x: Array, ctx: Context) -> Array:
        if ctx.training and not len(x):
            self.state["mean"] = x[0]
        return super().feed(x, ctx)


@planted("batch.sizes")
class SavesOnce(Carry):
    """What feed saved for a batch, it uses for the next one of the same size too."""

    def feed(self, x: Array, ctx: Context) -> Array:
        kept = ctx._saved
        y = super().feed(x, ctx)
        if kept and len(kept[0]) == len(x):
            ctx.begin()
            ctx.save(*kept)
        return y


@planted("batch.split")
class BatchMeanAlways(Carry):
    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x, ctx)
        return y if ctx.training or not len(y) else y - y.mean(axis=0)


@planted("global.random")
class SeedsInFeed(Carry):
    def feed(self, x: Array, ctx: Context) -> Array:
        np.random.seed(0)  # noqa: NPY002
        return super().feed(x, ctx)


@planted("global.random")
class SeedsInConstructor(Carry):
    def __init__(self, *, units: Size, gate_bias: float = -1.0) -> None:
        super().__init__(units=units, gate_bias=gate_bias)
        np.random.seed(1)  # noqa: NPY002


@planted("batch.state")
class LearnsInInference(Centre):
    def feed(self, x: Array, ctx: Context) -> Array:
        if not ctx.training and len(x):
            self.state["mean"][...] += 0.1
        return super().feed(x, ctx)


@planted("input.layouts")
class ReadsMemory(Carry):
    """Order "A" reads Fortran-ordered rows column by column."""

    def feed(self, x: Array, ctx: Context) -> Array:
        return super().feed(x.reshape(-1, order="A").reshape(x.shape), ctx)


@planted("input.layouts")
class WritesAndRestores(Carry):
    """Fails for rows that may not be written."""

    def feed(self, x: Array, ctx: Context) -> Array:
        x += 0
        return super().feed(x, ctx)


@planted("cotangent.unchanged")
class OverwritesCotangent(Carry):
    def backprop(self, dy: Array, ctx: Context) -> Array:
        dx = super().backprop(dy, ctx)
        if dy.flags.writeable:
            dy *= 0
        return dx


@planted("memory.stale")
class TrustsEmpty(Carry):
    """Fills all columns of new memory but the last, where a 0 is hoped for."""

    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x, ctx)
        extra = np.empty_like(y)
        extra[:, :-1] = 0
        return y + extra


_RESULTS: dict[tuple[Any, ...], Array] = {}


@planted("memory.results", "feeds.interleaved", "feeds.stacked")
class SharedResult(Carry):
    """What feed returns lies where the next feed of any such layer writes."""

    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x, ctx)
        shared = _RESULTS.setdefault((y.shape, y.dtype), np.empty_like(y))
        shared[...] = y
        return shared


@planted("memory.results")
class SharedSlope(Carry):
    """The same with the result of backprop."""

    def back(self, dH: Array, dT: Array, dA: Array) -> Array:
        dx = super().back(dH, dT, dA)
        shared = _RESULTS.setdefault(("dx", dx.shape, dx.dtype), np.empty_like(dx))
        shared[...] = dx
        return shared


@planted("memory.results")
class ReturnsWeights(Carry):
    """The output is a view of a bias, which the next update changes."""

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((self.units,), {"b": Param((self.units,))})

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x.shape)
        return np.broadcast_to(self.params["b"], (len(x), self.units))

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (shape,) = ctx.saved
        self.grads["b"] = dy.sum(axis=0)
        return np.zeros(shape, dy.dtype)


@planted("memory.inference")
class OtherInInference(Carry):
    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x, ctx)
        return y if ctx.keeps else y * 0.5


@planted("feeds.stateless")
class KeepsInSelf(Carry):
    def feed(self, x: Array, ctx: Context) -> Array:
        self.rows = len(x)
        return super().feed(x, ctx)


_SCRATCH: dict[tuple[Any, ...], Array] = {}


@planted("feeds.threads")
class SharedScratch(Active):
    """One scratch array for all feeds of a shape; another thread writes into it meanwhile."""

    def feed(self, x: Array, ctx: Context) -> Array:
        z = x @ self.params["W"]
        shared = _SCRATCH.setdefault((z.shape, z.dtype), np.empty_like(z))
        shared[...] = z
        time.sleep(1e-4)
        y = np.tanh(shared)
        ctx.save(x, z, y)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, _, y = ctx.saved
        dz = dy * (1 - y**2)
        self.grads["W"] = x.T @ dz
        dx: Array = dz @ self.params["W"].T
        return dx


@planted("update.zero_gradient")
class DecaysItself(Carry):
    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        super().write(x, dH, dT, dA)
        self.grads["WH"][...] += 0.01 * self.params["WH"]


_KEPT: WeakKeyDictionary[Layer, Array] = WeakKeyDictionary()


@planted("update.seen")
class KeepsOldWeights(Carry):
    """A copy of the weights, made in the first feed of a layer."""

    def feed(self, x: Array, ctx: Context) -> Array:
        kept = _KEPT.setdefault(self, self.params["WA"].copy())
        y = super().feed(x, ctx)
        y += 0.001 * (x @ kept)
        return y


@planted("update.freeze")
class IgnoresFreeze(Carry):
    def update(self, rule: Optimizer) -> None:
        rule.apply(self.span)


_counted = itertools.count()


@planted("file.round_trip")
class DependsOnItsNumber(Carry):
    """Something that is no setting, no parameter and no state changes the output."""

    def __init__(self, *, units: Size, gate_bias: float = -1.0) -> None:
        super().__init__(units=units, gate_bias=gate_bias)
        self.number = next(_counted)

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = super().feed(x, ctx) + x.dtype.type(self.number)
        return y


@planted("file.fresh_process")
class DependsOnProcess(Carry):
    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = super().feed(x, ctx) + x.dtype.type(os.getpid() % 1000)
        return y


@planted("file.fresh_process")
class DependsOnCommand(Carry):
    """Off by a few bits, too few for the file's own self-test, in a process of another command."""

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = super().feed(x, ctx)
        y *= x.dtype.type(1 + 1e-6 * ("load" in Path(sys.argv[0]).name))
        return y


@planted("golden.migration")
class ForgotGolden(Carry):
    config_version = 2


@planted("global.settings")
class SetsErrors(Carry):
    def feed(self, x: Array, ctx: Context) -> Array:
        np.seterr(all="raise")
        return super().feed(x, ctx)


@planted("global.settings")
class SetsErrorsWhenMade(Carry):
    def __init__(self, *, units: Size, gate_bias: float = -1.0) -> None:
        super().__init__(units=units, gate_bias=gate_bias)
        np.seterr(all="ignore")


@planted("declared.methods")
class NoBackprop(Layer):
    type_name = "kit.no-backprop"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x


@planted("settings.keywords")
class Positional(Carry):
    def __init__(self, units: Size) -> None:
        super().__init__(units=units)


# ---- recorded layers; tests/kit/test_forms.py has the faults of what is made of a record


@planted("recorded.replay")
class CountsRows(Active):
    """Other numbers for more rows than it is recorded with."""

    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x, ctx)
        return y if len(x) <= 100 else 1.5 * y


_LAST = [0]


@planted("recorded.replay")
class ReadsGlobal(Active):
    """A number of the module, which has changed since the layer was recorded."""

    def feed(self, x: Array, ctx: Context) -> Array:
        last, _LAST[0] = _LAST[0], len(x)
        y = super().feed(x, ctx)
        return y if last < 50 else 1.5 * y


@planted("recorded.replay")
class OtherSlope(Active):
    """The feed is the same for all numbers of rows, the backprop is not."""

    def backprop(self, dy: Array, ctx: Context) -> Array:
        dx = super().backprop(dy, ctx)
        return dx if len(dy) <= 100 else 2 * dx


# ---- what layers show, and what is left of them


@planted("watched.arrays")
class ShowsMeans(Carry):
    """A mean over the rows in place of each row's gate."""

    def watched(self, ctx: Context) -> dict[str, Array]:
        return {"gate": ctx.saved[2].mean(axis=0)}


@planted("watched.arrays")
class ShowsCarryGate(Carry):
    """The carry gate under the name of the other one."""

    def watched(self, ctx: Context) -> dict[str, Array]:
        _, H, T, A = ctx.saved
        return {"gate": 1 - T, "new": H, "carried": A}


@planted("watched.passes")
class SpoilsWhatItShows(Carry):
    """The gates that backprop reads are made open or shut."""

    def watched(self, ctx: Context) -> dict[str, Array]:
        gate = ctx.saved[2]
        gate[...] = gate > 0.5
        return {"open": gate}


@planted("carry.shape")
class CarriesTooWide(Carry):
    """The input, though the carry of the layer has another width."""

    def carry(self, x: Array) -> Array:
        return x
