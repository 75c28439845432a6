"""Contexts: what a pass keeps, nested parts, and independence of passes, threads and copies."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import LAYERS, initializer
from layerkit_plugins.layers.dense import Dense

F64 = np.dtype(np.float64)
RNG = np.random.default_rng(0)


class Stranger(Layer):
    """y = x + 1 in new memory each time; with ``same``, the very array it was given."""

    type_name = "test.stranger"

    def __init__(self, *, same: bool = False) -> None:
        self.same = same

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save()
        return x if self.same else x + 1

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy if self.same else dy.copy()


def network(*layers: Layer, width: int = 5) -> Network:
    net = Network(plan_layers([(f"l{i}", one) for i, one in enumerate(layers)], (width,)), F64)
    net.initialise(0, initializer)
    net.allocate_grads()
    return net


def stack(*between: Layer) -> Network:
    make = LAYERS
    return network(
        make["dense"](units=5, activation="tanh"),
        *between,
        make["highway"](activation="gelu"),
        make["projection"](units=4, carry_initializer="lecun_normal"),
        make["dense"](units=3, use_bias=False),
    )


def one_pass(net: Network, contexts: list[Context], x: Array, dy: Array) -> tuple[bytes, ...]:
    y = net.feed(x, contexts).tobytes()
    dx = net.backprop(dy, contexts).tobytes()
    assert net.grads is not None
    return y, dx, net.grads.tobytes()


def fresh(net: Network, x: Array, dy: Array) -> tuple[bytes, ...]:
    """As ``one_pass``, with nothing bound before."""
    return one_pass(net, net.contexts(wants_dx=True, training=True), x, dy)


def rows(n: int, width: int = 5) -> tuple[Array, Array]:
    return RNG.standard_normal((n, width)), RNG.standard_normal((n, 3))


def test_several_saves_of_one_pass_append() -> None:
    ctx = Context(F64)
    ctx.save(1, 2)
    ctx.save(3)
    assert ctx.saved == (1, 2, 3)
    assert ctx.saved == (1, 2, 3)


@pytest.mark.parametrize("read", [True, False])
def test_a_new_pass_keeps_nothing_of_the_last(*, read: bool) -> None:
    ctx = Context(F64)
    ctx.save(1)
    ctx.part("gate").save(2)
    if read:  # a backprop ends a pass, as when a layer is called by hand
        assert ctx.saved + ctx.part("gate").saved == (1, 2)
    else:
        ctx.begin()
        with pytest.raises(ValueError, match="backprop before feed"):
            _ = ctx.part("gate").saved
    ctx.save(3)
    ctx.part("gate").save(4)
    assert ctx.saved + ctx.part("gate").saved == (3, 4)


def test_a_part_shares_the_pass_but_not_what_it_saves() -> None:
    ctx = Context(F64, training=True, rng=np.random.default_rng(1))
    part, other = ctx.part("a"), ctx.part("b")
    assert part is ctx.part("a")
    assert part is not other
    assert (part.dtype, part.training, part.keeps, part.wants_dx) == (F64, True, True, True)
    assert part.rng is ctx.rng
    part.save("mine")
    ctx.save("whole")
    assert (part.saved, ctx.saved) == (("mine",), ("whole",))
    with pytest.raises(ValueError, match="has not been fed"):
        _ = other.saved


def test_a_new_stream_reaches_the_parts_that_have_none_of_their_own() -> None:
    own = np.random.default_rng(2)
    ctx = Context(F64, training=True, rng=np.random.default_rng(1), streams={"b": own})
    deep, other = ctx.part("a").part("c"), ctx.part("b")
    ctx.rng = np.random.default_rng(3)
    assert deep.rng is ctx.rng
    assert other.rng is own


def test_nothing_is_kept_where_no_backprop_follows() -> None:
    ctx = Context(F64, keeps=False)
    for one in (ctx, ctx.part("a")):
        one.save(np.ones(3))
        with pytest.raises(ValueError, match="made for inference"):
            _ = one.saved


class Twice(Layer):
    """Two nested parts, f(x) + f(2 x), each a dense layer with the same parameters."""

    type_name = "test.twice"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((2,), {"W": Param((*in_shape, 2), "glorot_uniform"), "b": Param((2,), 0.5)})

    def _inner(self) -> Dense:
        inner = Dense(units=2, activation="tanh")
        inner.params, inner.grads = (
            self.params,
            {k: np.empty_like(v) for k, v in self.params.items()},
        )
        return inner

    def feed(self, x: Array, ctx: Context) -> Array:
        inner = self._inner()
        y: Array = inner.feed(x, ctx.part("one")) + inner.feed(2 * x, ctx.part("two"))
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        one, two = self._inner(), self._inner()
        dx: Array = one.backprop(dy, ctx.part("one")) + 2 * two.backprop(dy, ctx.part("two"))
        for name in self.grads:
            self.grads[name] = one.grads[name] + two.grads[name]
        return dx


def test_a_layer_made_of_parts_has_the_gradients_of_their_sum() -> None:
    net = network(Twice(), width=3)
    x, dy = RNG.standard_normal((4, 3)), RNG.standard_normal((4, 2))
    contexts = net.contexts(wants_dx=True)
    net.feed(x, contexts)
    dx = net.backprop(dy, contexts).copy()
    (twice,) = net.layers
    alone = network(Dense(units=2, activation="tanh"), width=3)
    alone.params[...] = net.params
    grads, parts = np.zeros(alone.size), np.zeros_like(x)
    for factor in (1, 2):
        ctx = alone.contexts(wants_dx=True)
        alone.feed(factor * x, ctx)
        parts += factor * alone.backprop(dy, ctx)
        grads += alone.allocate_grads()
    np.testing.assert_allclose(dx, parts)
    np.testing.assert_allclose(net.allocate_grads(), grads)
    assert list(twice.grads) == ["W", "b"]


@pytest.mark.parametrize("between", [(), (Stranger(),), (Stranger(same=True),)])
def test_passes_of_any_sizes_are_those_of_new_contexts(between: tuple[Layer, ...]) -> None:
    net = stack(*between)
    contexts = net.contexts(wants_dx=True, training=True)
    for n in (6, 6, 6, 1, 6, 300, 2, 300, 300):
        x, dy = rows(n)
        wanted = fresh(net, x, dy)
        assert one_pass(net, contexts, x, dy) == wanted
        net.params[...] += 0.01 * RNG.standard_normal(net.size)


def test_backprop_can_be_asked_twice_and_reads_the_last_feed() -> None:
    net = stack()
    contexts = net.contexts(wants_dx=True, training=True)
    x, dy = rows(6)
    for _ in range(2):
        wanted = one_pass(net, contexts, x, dy)
        assert net.backprop(dy, contexts).tobytes() == wanted[1]
        net.feed(rows(6)[0], contexts)
        net.feed(x, contexts)
        assert net.backprop(dy, contexts).tobytes() == wanted[1]


def test_parameters_and_gradients_that_move_are_seen() -> None:
    net = stack()
    contexts = net.contexts(wants_dx=True, training=True)
    x, dy = rows(6)
    one_pass(net, contexts, x, dy)
    twin = stack()
    twin.params[...] = RNG.standard_normal(twin.size)
    for old, new in zip(net.planned, twin.planned, strict=True):
        for table in ("params", "joined", "grads", "joined_grads"):
            setattr(old.layer, table, getattr(new.layer, table))
    y = net.feed(x, contexts).tobytes()
    dx = net.backprop(dy, contexts).tobytes()
    assert twin.grads is not None
    assert (y, dx, twin.grads.tobytes()) == fresh(twin, x, dy)


def test_a_feed_of_ones_own_before_an_inherited_backprop() -> None:
    class Own(Dense):
        def feed(self, x: Array, ctx: Context) -> Array:
            z = x @ self.params["W"] + self.params["b"]
            y: Array = np.tanh(z)
            ctx.save(x, z, y)
            return y

    own, plain = (network(kind(units=3, activation="tanh")) for kind in (Own, Dense))
    contexts, others = (net.contexts(wants_dx=True) for net in (own, plain))
    for _ in range(3):
        x, dy = rows(4)
        np.testing.assert_allclose(own.feed(x, contexts), plain.feed(x, others))
        np.testing.assert_allclose(own.backprop(dy, contexts), plain.backprop(dy, others))
        np.testing.assert_allclose(own.grads, plain.grads)  # type: ignore[arg-type]


def test_threads_with_contexts_of_their_own_do_not_mix() -> None:
    net = stack()
    work = [rows(8) for _ in range(4)]
    wanted = [net.feed(x, net.contexts()).tobytes() for x, _ in work]
    found: list[set[bytes]] = [set() for _ in work]

    def run(i: int) -> None:
        contexts = net.contexts(training=True)
        for _ in range(50):
            found[i].add(net.feed(work[i][0], contexts).tobytes())

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{one} for one in wanted]


@pytest.mark.parametrize("way", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])  # noqa: S301
def test_copies_of_contexts_have_memory_of_their_own(way: Callable[[Any], Any]) -> None:
    net = stack()
    contexts = net.contexts(wants_dx=True, training=True)
    x, dy = rows(6)
    wanted = one_pass(net, contexts, x, dy)
    copies = way(contexts)
    one_pass(net, copies, *rows(6))
    assert net.backprop(dy, contexts).tobytes() == wanted[1]
    assert one_pass(net, copies, x, dy) == wanted
