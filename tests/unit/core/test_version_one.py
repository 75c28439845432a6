"""Parts of contract version 1 run as they stand, also together with parts of version 2."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Activation, Array, Context, Layer, Param, Plan, Shape
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import initializer


class Old(Activation):
    """y = z^2 as in version 1, y and dz written into ``out``."""

    type_name = "test.old"
    from_output = False

    def feed(self, z: Array, out: Array) -> Array:  # type: ignore[override]
        y: Array = np.multiply(z, z, out)
        return y

    def backprop(self, dy: Array, z: Array, y: Array, out: Array) -> Array:  # type: ignore[override]
        dz: Array = np.multiply(dy, 2 * z, out)
        return dz


class New(Activation):
    """The same in version 2."""

    type_name = "test.new"

    def feed(self, z: Array) -> Array:
        y: Array = np.square(z)
        return y

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        dz: Array = dy * (2 * z)
        return dz


class Grandchild(New):
    """Overrides one of both and calls the other form of it."""

    type_name = "test.grandchild"

    def feed(self, z: Array, out: Array) -> Array:  # type: ignore[override]
        part: Any = super()
        y: Array = part.feed(z, out)
        return y


@pytest.mark.parametrize("kind", [Old, New, Grandchild])
def test_activations_take_both_forms_of_call(kind: Any) -> None:
    f, z = kind(), np.array([[1.0, -2.0], [3.0, 0.5]]).T
    dy = np.full_like(z, 10)
    y, dz = z * z, 20 * z
    np.testing.assert_array_equal(f.feed(z), y)
    np.testing.assert_array_equal(f.backprop(dy, z, y), dz)
    out = np.empty_like(z)
    assert f.feed(z, out) is out
    np.testing.assert_array_equal(out, y)
    assert f.feed(z, out=out) is out
    assert f.backprop(dy, z, y, out) is out
    np.testing.assert_array_equal(out, dz)
    assert f.backprop(dy, z, y, dy) is dy
    np.testing.assert_array_equal(dy, dz)


def test_layers_of_version_one_see_that_y_must_not_overwrite_z() -> None:
    assert (Old.from_output, New.from_output) == (False, False)

    class Implied(Activation):
        def feed(self, z: Array, out: Array) -> Array:  # type: ignore[override]
            return np.tanh(z, out)

        backprop = Old.backprop  # type: ignore[assignment]

    assert Implied.from_output


def test_buffers_are_kept_by_name_shape_and_dtype() -> None:
    ctx: Any = Context(np.float32)
    a = ctx.buffer("a", (2, 3))
    assert a.dtype == np.float32
    assert a.shape == (2, 3)
    assert a.flags.c_contiguous
    assert ctx.buffer("a", (2, 3)) is a
    assert ctx.buffer("b", (2, 3)) is not a
    other = ctx.buffer("a", (3, 3))
    assert other.shape == (3, 3)
    assert ctx.buffer("a", (3, 3), np.int64).dtype == np.int64
    assert ctx.buffer("c", (1,), "f8").dtype == np.float64
    two: Any = Context(np.float32)
    assert not np.shares_memory(two.buffer("a", (3, 3)), ctx.buffer("a", (3, 3)))


def test_scratch_is_new_memory_each_time() -> None:
    ctx: Any = Context(np.float64)
    one, two = ctx.scratch("a", (3,)), ctx.scratch("a", (3,))
    assert (one.shape, one.dtype) == ((3,), np.float64)
    assert not np.shares_memory(one, two)
    inference: Any = Context(keeps=False)
    assert inference.buffer("a", (3,)) is not inference.buffer("a", (3,))


def test_bound_makes_its_function_each_time() -> None:
    ctx: Any = Context()
    seen = []

    def bind(n: int, given: Context) -> int:
        seen.append((n, given is ctx))
        return n + 1

    assert [ctx.bound(bind, 3), ctx.bound(bind, 3)] == [4, 4]
    assert seen == [(3, True)] * 2


def test_contexts_have_nothing_else_and_can_be_copied() -> None:
    ctx: Any = Context()
    with pytest.raises(AttributeError, match="'Context' object has no attribute 'keep'"):
        ctx.keep(1)
    ctx.buffer("a", (2,))[...] = 5
    twin: Any = copy.deepcopy(ctx)
    assert twin.buffer("a", (2,)).tolist() == [5, 5]
    assert twin.buffer("a", (2,)) is not ctx.buffer("a", (2,))


class Joined(Layer):
    """y = x W1 + x W2 by one product, as layers of version 1 were written."""

    type_name = "test.joined"
    contract_version = 1

    def plan(self, in_shape: Shape) -> Plan:
        params = {
            "b": Param((3,), 0.5),
            "W1": Param((*in_shape, 3), "normal"),
            "W2": Param((*in_shape, 3), "normal"),
            "c": Param((3,), 0.25),
        }
        joined = {"b": ("c", "b"), "W": ("W2", "W1")}
        return Plan((3,), params, macs=6 * in_shape[0], joined=joined)

    def feed(self, x: Array, ctx: Any) -> Array:
        z = ctx.buffer("z", (len(x), 6))
        np.matmul(x, self.joined["W"], out=z)
        z += self.joined["b"]
        ctx.save(x)
        y: Array = np.add(z[:, :3], z[:, 3:], out=ctx.buffer("y", (len(x), 3)))
        return y

    def backprop(self, dy: Array, ctx: Any) -> Array:
        (x,) = ctx.saved
        both = np.concatenate([dy, dy], axis=1)
        np.matmul(x.T, both, out=self.joined_grads["W"])
        np.sum(both, axis=0, out=self.joined_grads["b"])
        dx: Array = np.matmul(both, self.joined["W"].T, out=ctx.scratch("dx", x.shape))
        return dx


def passes(network: Network, x: Array) -> list[Array]:
    """The output, dL/dx and the gradients by name."""
    contexts = network.contexts(wants_dx=True)
    y = network.feed(x, contexts).copy()
    dx = network.backprop(2 * y, contexts).copy()
    return [y, dx, *network.layers[0].grads.values()]


def test_joined_parameters_are_wholes_and_parts() -> None:
    layer = Joined()
    network = Network(plan_layers([("j", layer)], (2,)), np.dtype(np.float64))
    network.initialise(0, initializer)
    assert network.planned[0].eager
    p, x = layer.params, np.array([[1.0, 2.0], [3.0, -4.0], [0.5, 0.0]])
    y, dx, *grads = passes(network, x)
    np.testing.assert_allclose(y, x @ (p["W1"] + p["W2"]) + p["b"] + p["c"])
    np.testing.assert_allclose(dx, 2 * y @ (p["W1"] + p["W2"]).T)
    assert list(layer.grads) == ["b", "W1", "W2", "c"]
    for found, wanted in zip(grads, (y.sum(0), x.T @ y, x.T @ y, y.sum(0)), strict=True):
        np.testing.assert_allclose(found, 2 * wanted)
    assert np.shares_memory(layer.joined["W"], p["W1"])
    assert np.shares_memory(layer.joined["W"], network.params)
    assert np.shares_memory(layer.joined_grads["b"], layer.grads["c"])


def test_joined_parameters_of_a_mapped_file_are_copied() -> None:
    layer, other = Joined(), Joined()
    network = Network(plan_layers([("j", layer)], (2,)), np.dtype(np.float64))
    network.initialise(0, initializer)
    tensors = {name: array for name, (_, array) in network.tensors().items()}
    mapped = Network(plan_layers([("j", other)], (2,)), network.dtype, mapped=tensors)
    x = np.array([[1.0, 2.0]])
    for found, wanted in zip(passes(mapped, x), passes(network, x), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert not np.shares_memory(mapped.params, network.params)


@pytest.mark.parametrize(
    ("version", "asked", "wanted"), [(1, False, True), (2, False, False), (2, True, True)]
)
def test_what_runs_as_written(version: int, asked: bool, wanted: bool) -> None:
    class Kind(Joined):
        contract_version = version
        eager = asked

    (planned,) = plan_layers([("j", Kind())], (2,))
    assert planned.eager is wanted


def test_functions_that_were_public_are_found_and_say_what_to_write() -> None:
    for name, instead in (("matmul", "a @ b"), ("matmul_both", "with @"), ("sum_rows", "sum")):
        with pytest.warns(DeprecationWarning, match=f"layerkit.{name} .*: write .*{instead}") as w:
            getattr(layerkit, name)
        assert w[0].filename == __file__
        assert name not in dir(layerkit)
    with pytest.warns(DeprecationWarning, match="contract version 1"):
        from layerkit import matmul, matmul_both, sum_rows  # type: ignore[attr-defined]
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0, 0.0], [7.0, 8.0, 1.0]])
    out, other = np.empty((2, 3)), np.empty((2, 2))
    assert matmul(a, b, out) is out
    np.testing.assert_array_equal(out, a @ b)
    matmul_both((a, b, out), (a, a, other))
    np.testing.assert_array_equal(other, a @ a)
    sums = np.empty(2)
    assert sum_rows(b, sums) is sums
    assert sums.tolist() == [11, 16]
