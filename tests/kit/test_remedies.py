"""The remedy that a failed check names is the one for the fault, for containers and look-ups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Array, Context, Layer, Param, Plan, Shape, Whole, chain
from layerkit.fields import Layers
from layerkit.testing import check_part
from layerkit.testing.report import Report


class Around(Layer):
    """The layers inside, one after the other, y = f(x), dx = f'(dy). Source: own work."""

    type_name = "remedies.around"

    def __init__(self, *, layers: Layers) -> None:
        self.layers = layers

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        dense = {"type": "dense", "units": 3}
        return [({"layers": [dense, dense]}, (3,))]

    def plan(self, in_shape: Shape) -> Plan:
        parts = chain(self.layers, in_shape)
        return Plan(parts[-1].plan.out_shape, parts=parts)

    def feed(self, x: Array, ctx: Context) -> Array:
        return self.parts.feed(x, ctx)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return self.parts.backprop(dy, ctx)


class ForgetsAPart(Around):
    """Backprop passes the second part by. y = f(x), dx = f'(dy)."""

    type_name = "remedies.forgets_a_part"

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return next(iter(self.parts)).backprop(dy, ctx)


class PlansNoParts(Around):
    """The plan says nothing of the layers inside. y = f(x), dx = f'(dy)."""

    type_name = "remedies.plans_no_parts"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return sum(part.feed(x, ctx) for part in self.parts)  # type: ignore[return-value]


class Vectors(Layer):
    """A row of E for each number, y = E[i], dE[i] = sum of dy, dx = 0. Source: own work."""

    type_name = "remedies.vectors"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (4,))]

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((*in_shape, 2), {"E": Param((5, 2), "normal")}, takes=Whole(5))

    def feed(self, x: Array, ctx: Context) -> Array:
        i = x.astype(np.intp)
        ctx.save(x, i)
        return self.params["E"][i]

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, i = ctx.saved
        dE = np.zeros_like(self.params["E"])
        np.add.at(dE, i, dy)
        self.grads["E"] = dE
        return np.zeros_like(x)


class LosesRepeats(Vectors):
    """Of numbers that occur twice one counts. y = E[i], dE[i] = dy, dx = 0."""

    type_name = "remedies.loses_repeats"

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, i = ctx.saved
        dE = np.zeros_like(self.params["E"])
        dE[i] += dy
        self.grads["E"] = dE
        return np.zeros_like(x)


class TakesAnything(Vectors):
    """Whole numbers are looked up, and it does not say so. y = E[i], dx = 0."""

    type_name = "remedies.takes_anything"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((*in_shape, 2), {"E": Param((5, 2), "normal")})


class Fractions(TakesAnything):
    """Rows index as they are, fractions and all. y = E[x], dx = 0."""

    type_name = "remedies.fractions"

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x, x)
        return self.params["E"][x]


class TakesOneAxis(Layer):
    """Rows of one axis, y = x W, dW = x^T dy, dx = dy W^T; others are not refused."""

    type_name = "remedies.takes_one_axis"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((*in_shape[:-1], 2), {"W": Param((in_shape[-1] if in_shape else 1, 2), "ones")})

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x)
        return x @ self.params["W"]

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (x,) = ctx.saved
        self.grads["W"] = x.T @ dy
        return dy @ self.params["W"].T


def failed(layer: type[Layer]) -> tuple[Report, list[str]]:
    report = check_part(layer)
    return report, [o.id for o in report.outcomes if o.status == "failed"]


@pytest.mark.parametrize("layer", [Around, Vectors])
def test_the_sound_ones_conform(layer: type[Layer]) -> None:
    _, checks = failed(layer)
    left = [check for check in checks if not check.startswith("import.")]  # it imports pytest
    assert left == []


@pytest.mark.parametrize(
    ("layer", "check", "words"),
    [
        (ForgetsAPart, "gradient.written", "call the backprop of the part 'dense_2'"),
        (PlansNoParts, "plan.valid", "self.layers holds layers, but the Plan has no parts"),
        (LosesRepeats, "gradient.parameters", "np.add.at(dE, i, G) adds all"),
        (Fractions, "plan.shape", "takes=Whole(n)"),
    ],
)
def test_the_remedy_is_that_of_the_fault(layer: type[Layer], check: str, words: str) -> None:
    outcome = check_part(layer, only=check)[check]
    assert outcome.status == "failed"
    assert words in f"{outcome.message} {outcome.hint}"


def test_a_look_up_that_takes_anything_is_told_what_to_declare() -> None:
    report, checks = failed(TakesAnything)
    raised = [id_ for id_ in checks if "IndexError" in report[id_].message]
    assert raised
    assert all("takes=Whole(n)" in report[id_].hint for id_ in raised)


def test_a_shape_that_should_be_refused_is_told_once() -> None:
    report, checks = failed(TakesOneAxis)
    assert "plan.refuses" in checks
    for check in ("gradient.inputs", "gradient.parameters", "gradient.float32"):
        assert report[check].status == "not run"
        assert "plan.refuses" in report[check].message


def test_layers_of_whole_numbers_are_not_stacked_for_what_they_take() -> None:
    outcome = check_part(Vectors, only="feeds.stacked")["feeds.stacked"]
    assert outcome.status == "skipped"
    assert "takes whole numbers" in outcome.message
