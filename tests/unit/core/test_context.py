"""Binding: what a layer keeps from pass to pass, and when it must be made anew."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import Array, Context, Layer, Plan, Shape
from layerkit.core.context import Arena
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import LAYERS, initializer
from layerkit_plugins.layers.dense import Dense

F64 = np.dtype(np.float64)
RNG = np.random.default_rng(0)


class Twice(Layer):
    """y = 2 x, bound; counts how often."""

    type_name = "test.twice"

    def __init__(self) -> None:
        self.made: list[object] = []

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return ctx.bound(self.bind, len(x))(x)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy

    def bind(self, n: int, ctx: Context) -> Callable[[Array], Array]:
        self.made.append(n)
        out = ctx.buffer("y", (n, 3))
        return lambda x: np.multiply(x, 2, out)

    def bind_scratch(self, given: object, ctx: Context) -> Array:
        self.made.append(given)
        return ctx.scratch("s", (4,))


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


def test_it_is_bound_once_for_a_number_of_rows() -> None:
    layer, ctx = Twice(), Context(F64)
    for n in (1000, 1000, 7, 7, 1000):
        x = RNG.standard_normal((n, 3))
        np.testing.assert_array_equal(layer.feed(x, ctx), 2 * x)
    assert layer.made == [1000, 7, 1000]


def test_without_a_backprop_nothing_is_held() -> None:
    layer, ctx = Twice(), Context(F64, keeps=False)
    for _ in range(2):
        layer.feed(np.ones((2, 3)), ctx)
    assert layer.made == [2, 2]
    assert ctx._bound == {}


@pytest.mark.parametrize("table", ["params", "grads"])
def test_it_is_bound_anew_when_tables_move(table: str) -> None:
    layer, ctx = Twice(), Context(F64)
    layer.feed(np.ones((2, 3)), ctx)
    setattr(layer, table, {})
    layer.feed(np.ones((2, 3)), ctx)
    assert layer.made == [2, 2]


def test_objects_are_told_by_identity() -> None:
    layer, ctx = Twice(), Context(F64)
    one, other = (np.ones(2),), (np.ones(2),)
    for given in (one, one, other, one):
        ctx.bound(layer.bind_scratch, given)
    assert [g is one for g in layer.made] == [True, False, True]


def test_each_half_of_the_arena_has_its_own() -> None:
    arena = Arena()
    layer, ctx = Twice(), Context(F64, arena=arena)
    given = (1,)
    found = []
    for _ in range(4):
        found.append(ctx.bound(layer.bind_scratch, given))
        arena.turn()
    assert found[0] is found[2]
    assert found[1] is found[3]
    assert not np.shares_memory(found[0], found[1])
    assert len(layer.made) == 2


def test_what_takes_no_scratch_serves_both_halves() -> None:
    arena = Arena()
    layer, ctx = Twice(), Context(F64, arena=arena)
    for _ in range(3):
        layer.feed(np.ones((2, 3)), ctx)
        arena.turn()
    assert layer.made == [2]


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
            z = np.ascontiguousarray((x @ self.params["W"] + self.params["b"]).T)
            y: Array = np.tanh(z)
            ctx.save(x, (z, y))
            return y.T

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


def test_contexts_go_when_nobody_holds_them() -> None:
    import gc
    import weakref

    net = stack()
    contexts = net.contexts(wants_dx=True, training=True)
    one_pass(net, contexts, *rows(6))
    memory = weakref.ref(contexts[0].buffer("z", (5, 6)))
    gc.disable()
    try:
        del contexts
        assert memory() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("shape", [(), (0, 3), (5, 7), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])
def test_memory_begins_at_a_multiple_of_64_bytes(shape: Shape, dtype: Any) -> None:
    ctx = Context()
    for array in (ctx.buffer("a", shape, dtype), ctx.scratch("a", shape, dtype)):
        assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
        assert array.flags.c_contiguous
        assert not array.size or array.ctypes.data % 64 == 0
