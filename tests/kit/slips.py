"""What beginners write. Each gets a message that leads to the fix, and never a traceback of ours.

Like tests/kit/sound.py these compute y = x W, dW = x^T dy, dx = dy W^T. Source: own work.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError
from layerkit.fields import Size


class Product(Layer):
    """y = x W: right, and the base of the slips."""

    type_name = "kit.product"

    def __init__(self, *, units: Size) -> None:
        self.units = units

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"units": 3}, (4,))]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 1:
            raise ShapeError(f"rows of one axis are wanted, not {list(in_shape)}")
        i, o = in_shape[0], self.units
        return Plan((o,), {"W": Param((i, o), "glorot_uniform")})

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x)
        y: Array = x @ self.params["W"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (x,) = ctx.saved
        self.grads["W"] = x.T @ dy
        dx: Array = dy @ self.params["W"].T
        return dx


class NoTypeName(Layer):
    """y = x, dx = dy."""

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


class Positional(Product):
    type_name = "kit.positional"

    def __init__(self, units: Size) -> None:
        super().__init__(units=units)


class AnyKeyword(Product):
    type_name = "kit.any-keyword"

    def __init__(self, *, units: Size, **options: Any) -> None:
        super().__init__(units=units)


class Stored(Product):
    type_name = "kit.stored"

    def __init__(self, *, units: Size, slope: float = 0.1) -> None:
        self.units = units
        self._slope = slope


class WeightsInConstructor(Product):
    type_name = "kit.weights"

    def __init__(self, *, units: Size) -> None:
        self.units = units
        self.W = np.zeros((4, units))


class WeightsInFeed(Product):
    type_name = "kit.weights-in-feed"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((self.units,))

    def feed(self, x: Array, ctx: Context) -> Array:
        self.W = np.ones((4, self.units), x.dtype)
        y: Array = x @ self.W
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        dx: Array = dy @ self.W.T
        return dx


class DefaultExamples(Product):
    type_name = "kit.default-examples"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (4,))]


class MisspeltExample(Product):
    type_name = "kit.misspelt"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"unit": 3}, (4,))]


class ExampleWithoutShape(Product):
    type_name = "kit.no-shape"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [{"units": 3}]  # type: ignore[list-item]


class PlanRaises(Product):
    type_name = "kit.plan-raises"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((self.widths,))  # type: ignore[attr-defined]


class PlanGivesShape(Product):
    type_name = "kit.plan-shape"

    def plan(self, in_shape: Shape) -> Plan:
        return (self.units,)  # type: ignore[return-value]


class UnknownInitializer(Product):
    type_name = "kit.unknown-init"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((self.units,), {"W": Param((in_shape[0], self.units), "glorot")})


class TransposedWeights(Product):
    type_name = "kit.transposed-weights"

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x)
        y: Array = self.params["W"] @ x
        return y


class NoBatchAxis(Product):
    type_name = "kit.no-batch"

    def feed(self, x: Array, ctx: Context) -> Array:
        row: Array = super().feed(x, ctx)[0]
        return row


class FeedGivesList(Product):
    type_name = "kit.list"

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Any = super().feed(x, ctx).tolist()
        return y  # type: ignore[no-any-return]


class FeedGivesNone(Product):
    type_name = "kit.none"

    def feed(self, x: Array, ctx: Context) -> Array:  # type: ignore[return]
        super().feed(x, ctx)


class ForgetsSave(Product):
    type_name = "kit.forgets-save"

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = x @ self.params["W"]
        return y


class ForgetsGradient(Product):
    type_name = "kit.forgets-gradient"

    def backprop(self, dy: Array, ctx: Context) -> Array:
        dx: Array = dy @ self.params["W"].T
        return dx


class ReplacesGradient(Product):
    type_name = "kit.replaces-gradient"

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (x,) = ctx.saved
        self.grads = {"W": x.T @ dy}
        dx: Array = dy @ self.params["W"].T
        return dx


class OneNumber(Product):
    """The sum over all axes, for every column."""

    type_name = "kit.one-number"

    def plan(self, in_shape: Shape) -> Plan:
        plan = super().plan(in_shape)
        return Plan(plan.out_shape, {**plan.params, "b": Param(plan.out_shape)})

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = super().feed(x, ctx) + self.params["b"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        self.grads["b"] = dy.sum()
        return super().backprop(dy, ctx)


class NoBackprop(Layer):
    """y = x, dx = dy."""

    type_name = "kit.no-backprop"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x


class Exits(Product):
    type_name = "kit.exits"

    def feed(self, x: Array, ctx: Context) -> Array:
        raise SystemExit("goodbye")


class UnresolvedAnnotation(Product):
    type_name = "kit.unresolved"

    def __init__(self, *, units: Count) -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__(units=units)


class NumpySetting(Product):
    type_name = "kit.numpy-setting"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"units": np.int64(3)}, (4,))]


SLIPS: list[tuple[Any, str, str]] = [
    (NoTypeName, "declared.type_name", 'type_name = "acme.spline"'),
    (Positional, "settings.keywords", "with a `*` first"),
    (AnyKeyword, "settings.keywords", "a misspelt setting would pass unnoticed"),
    (Stored, "settings.constructor", "write `self.slope = slope`"),
    (WeightsInConstructor, "settings.constructor", "declare parameters in `plan`"),
    (WeightsInFeed, "feeds.stateless", "feed stores something in self.W"),
    (WeightsInFeed, "plan.parameters", "belongs in Plan.params"),
    (DefaultExamples, "declared.examples", "gives no 'units'"),
    (MisspeltExample, "declared.examples", "no keyword-only argument 'unit'"),
    (ExampleWithoutShape, "declared.examples", 'such as [({"units": 3}, (4,))]'),
    (PlanRaises, "plan.valid", "has no attribute 'widths'"),
    (PlanGivesShape, "plan.valid", "return Plan(out_shape"),
    (UnknownInitializer, "plan.shape", "did you mean 'glorot_"),
    (TransposedWeights, "plan.shape", "slips.py, line"),
    (NoBatchAxis, "plan.shape", "the batch axis first"),
    (FeedGivesList, "plan.shape", "feed: expected a float64 array of shape [4, 3], got list"),
    (FeedGivesNone, "plan.shape", "feed: expected a float64 array of shape [4, 3], got None"),
    (ForgetsSave, "plan.shape", "call ctx.save"),
    (ForgetsGradient, "gradient.written", "write `self.grads['W'] = ...` in backprop"),
    (ReplacesGradient, "gradient.written", "assign to the entry, and never to self.grads"),
    (OneNumber, "plan.shape", "gradient 'b': expected shape [3], got []"),
    (NoBackprop, "declared.methods", "does not define backprop"),
    (Exits, "plan.shape", "raised SystemExit: goodbye"),
    (UnresolvedAnnotation, "settings.annotations", "Count"),
    (NumpySetting, "settings.annotations", "'units'"),
]
