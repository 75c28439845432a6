"""Layers with bugs that passed until a stranger planted them; maths as in tests/kit/right.py.

Norm: dx = (dh - mean(dh) - h mean(dh h)) / s. Drop: dx = dy m / keep. Source: own work.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Optimizer, Param, Plan, Shape
from layerkit.fields import InitializerName, Size
from tests.kit.right import Drop, Level, Norm, Pool, Rows, Slide
from tests.kit.sound import Carry
from tests.kit.strangers import ReZero

PLANTED: list[tuple[str, type[Layer], type[Layer]]] = []


def planted(*checks: str) -> Any:
    def enter(cls: type[Layer]) -> type[Layer]:
        cls.type_name = f"kit.more-{cls.__name__.lower()}"
        PLANTED.extend((check, cls, cls.__mro__[1]) for check in checks)
        return cls

    return enter


# ---- settings


@planted("settings.read")
class FixedEpsilon(Rows):
    def feed(self, x: Array, ctx: Context) -> Array:
        c = x - x.mean(axis=-1, keepdims=True)
        s = np.sqrt(self.variance(x, c) + 1e-5)
        ctx.save(c / s, s)
        y: Array = c / s * self.params["g"] + self.params["b"]
        return y


@planted("settings.read")
class FixedBias(Carry):
    """The bias of the gate starts at 0."""

    def plan(self, in_shape: Shape) -> Plan:
        plan = Carry(units=self.units).plan(in_shape)
        return Plan(plan.out_shape, plan.params)


@planted("settings.read")
class FixedStart(Slide):
    def __init__(
        self,
        *,
        units: Size = 2,
        width: Size = 3,
        stride: Size = 1,
        padding: int = 0,
        initializer: InitializerName = "he_normal",
    ) -> None:
        super().__init__(units=units, width=width, stride=stride, padding=padding)
        self.initializer = initializer


@planted("gradient.inputs")
class ForgetsStride(Slide):
    def back(self, j: int, count: int) -> slice:
        return slice(j, j + count)


@planted("gradient.inputs")
class CropsTheEnd(Slide):
    def cropped(self, dwide: Array) -> Array:
        return dwide[:, : dwide.shape[1] - 2 * self.padding]


# ---- chance


@planted("stochastic.mean")
class NotScaled(Drop):
    def factor(self) -> float:
        return 1.0


@planted("stochastic.mean")
class ScaledByTheRest(Drop):
    def factor(self) -> float:
        return 1 / (1 - self.keep)


@planted("stochastic.mean")
class KeepsTheRest(Drop):
    def mask(self, x: Array, ctx: Context) -> Array:
        return (ctx.rng.random(x.shape) >= self.keep).astype(x.dtype)


@planted("stochastic.rows")
class OneMask(Drop):
    def mask(self, x: Array, ctx: Context) -> Array:
        return (ctx.rng.random(x.shape[1:]) < self.keep).astype(x.dtype)


# ---- training against inference


@planted("state.settles")
class KeepsDeviation(Norm):
    def follow(self, mean: Array, var: Array) -> None:
        super().follow(mean, np.sqrt(var))


@planted("state.settles")
class OtherInInference(Norm):
    """The epsilon outside of the root, in inference only."""

    def feed(self, x: Array, ctx: Context) -> Array:
        if ctx.training or not len(x):
            return super().feed(x, ctx)
        s = np.sqrt(self.state["var"]) + self.epsilon
        h = (x - self.state["mean"]) / s
        ctx.save(h, s, False)
        y: Array = h * self.params["g"] + self.params["b"]
        return y


@planted("state.settles")
class NeverMoves(Norm):
    def follow(self, mean: Array, var: Array) -> None:
        pass


@planted("state.settles")
class OtherInTraining(Pool):
    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x, ctx)
        return y + 0.1 if ctx.training else y


@planted("batch.state")
class MovesInBackprop(Norm):
    def follow(self, mean: Array, var: Array) -> None:
        pass

    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x, ctx)
        if ctx.training:
            ctx.save(x.mean(axis=0) if len(x) else None, x.var(axis=0) if len(x) else None)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, s, batch, *figures = ctx.saved
        if batch:
            super().follow(*figures)
        self.grads["g"], self.grads["b"] = (dy * h).sum(axis=0), dy.sum(axis=0)
        dh = dy * self.params["g"]
        if batch:
            dh = dh - dh.mean(axis=0) - h * (dh * h).mean(axis=0)
        dx: Array = dh / s
        return dx


@planted("batch.empty")
class SpoiltByNoRows(Norm):
    def feed(self, x: Array, ctx: Context) -> Array:
        if ctx.training and not len(x):
            self.follow(*self.of_batch(x))
        return super().feed(x, ctx)


@planted("gradient.inference")
class TrainingFormAlways(Norm):
    """The gradient of training after a feed in inference too."""

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, s, _ = ctx.saved
        self.grads["g"], self.grads["b"] = (dy * h).sum(axis=0), dy.sum(axis=0)
        dh = dy * self.params["g"]
        if len(dy):
            dh = dh - dh.mean(axis=0) - h * (dh * h).mean(axis=0)
        dx: Array = dh / s
        return dx


@planted("gradient.inference")
class SavesTheState(Norm):
    """What it saves is the array of the state, which the next feed in training moves."""

    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x, ctx)
        if not ctx.training:
            ctx.save(self.state["var"])
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, s, batch, *var = ctx.saved
        self.grads["g"], self.grads["b"] = (dy * h).sum(axis=0), dy.sum(axis=0)
        dh = dy * self.params["g"]
        if batch:
            dh = dh - dh.mean(axis=0) - h * (dh * h).mean(axis=0)
        dx: Array = dh / (self.spread(var[0]) if var else s)
        return dx


@planted("scale.offset")
class SquaresOfAll(Norm):
    """E[x^2] - E[x]^2."""

    def of_batch(self, x: Array) -> tuple[Array, Array]:
        mean = x.mean(axis=0)
        return mean, np.maximum(np.square(x).mean(axis=0) - np.square(mean), 0)


@planted("scale.offset")
class SquaresOfRows(Rows):
    def variance(self, x: Array, c: Array) -> Array:
        square = np.square(x.mean(axis=-1, keepdims=True))
        var: Array = np.maximum(np.square(x).mean(axis=-1, keepdims=True) - square, 0)
        return var


# ---- updates, ties


@planted("update.once")
class NeverLearns(Carry):
    def update(self, rule: Optimizer) -> None:
        pass


@planted("update.once")
class LearnsTwice(Carry):
    def update(self, rule: Optimizer) -> None:
        super().update(rule)
        super().update(rule)


@planted("update.once")
class LearnsByHalf(Carry):
    """The optimizer gets only the first of its numbers."""

    def update(self, rule: Optimizer) -> None:
        if not self.freeze:
            rule.apply(slice(self.span.start, self.span.stop - 1))


@planted("gradient.ties")
class TiesGetAll(Pool):
    def shares(self, left: Array, right: Array) -> tuple[Array, Array]:
        return left >= right, right >= left


# ---- containers


@planted("gradient.written")
class PassesItsPartsBy(ReZero):
    def backprop(self, dy: Array, ctx: Context) -> Array:
        (inner,) = ctx.saved
        self.grads["a"] = (dy * inner).sum().reshape(1)
        return dy


@planted("update.freeze")
class TeachesItsPartsItself(ReZero):
    """Its own update, for its parts too, asks nothing whether they are frozen."""

    def update(self, rule: Optimizer) -> None:
        rule.apply(self.span)


# ---- the lines of the paper


class Said(Rows):
    """With the paper's lines beside it."""

    type_name = "kit.right-said"

    @classmethod
    def reference(cls, settings: dict[str, Any], params: dict[str, Array], x: Array) -> Array:
        y = np.empty_like(x)
        for at in np.ndindex(x.shape[:-1]):
            s = np.sqrt(np.var(x[at]) + settings["epsilon"])
            y[at] = params["g"] * (x[at] - np.mean(x[at])) / s + params["b"]
        return y


@planted("reference.feed")
class OverAllAxes(Said):
    """Norms over the first axis of a row of several: right gradients, another layer."""

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (5,))]

    def variance(self, x: Array, c: Array) -> Array:
        var: Array = np.square(c).sum(axis=-1, keepdims=True) / max(c.shape[-1] - 1, 1)
        return var

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, s = ctx.saved
        rows = tuple(range(dy.ndim - 1))
        self.grads["g"], self.grads["b"] = (dy * h).sum(axis=rows), dy.sum(axis=rows)
        dh = dy * self.params["g"]
        inner = (dh * h).sum(axis=-1, keepdims=True) / max(dy.shape[-1] - 1, 1)
        dx: Array = (dh - dh.mean(axis=-1, keepdims=True) - h * inner) / s
        return dx


# ---- what a note tells


class NoFans(Slide):
    type_name = "kit.more-no-fans"

    def plan(self, in_shape: Shape) -> Plan:
        plan = super().plan(in_shape)
        return Plan(plan.out_shape, {"W": Param(plan.params["W"].shape, "he_normal")})


class RowBias(Carry):
    """A bias (1, o), which weight decay reaches."""

    type_name = "kit.more-row-bias"

    def plan(self, in_shape: Shape) -> Plan:
        plan = super().plan(in_shape)
        return Plan(plan.out_shape, {**plan.params, "bH": Param((1, self.units))})

    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        for name, d in (("WH", dH), ("WT", dT), ("WA", dA)):
            self.grads[name] = x.T @ d
        self.grads["bH"] = dH.sum(axis=0, keepdims=True)
        self.grads["bT"] = dT.sum(axis=0)


# ---- shapes


@planted("gradient.inputs")
class HeightForWidth(Level):
    """Right for square images, such as those of its example."""

    def pixels(self, image: Array) -> int:
        return int(image.shape[2] * image.shape[2])
