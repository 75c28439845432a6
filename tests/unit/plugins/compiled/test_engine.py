"""Networks as machine code against the methods as they are written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from layerkit import Layer
from layerkit.core.context import Array, Context
from layerkit.core.layer import Param, Plan
from layerkit.core.output_functions import apply_link
from layerkit.core.parts import Link
from layerkit.discovery.registry import REGISTRIES
from layerkit.recording.record import Recording, record, record_loss, record_rule
from layerkit_plugins.compiled.llvm import engine, machine
from layerkit_plugins.compiled.llvm.forms import form_of
from layerkit_plugins.compiled.llvm.places import NotCompiled
from layerkit_plugins.layers.dense import Dense
from layerkit_plugins.layers.gru import GRU
from layerkit_plugins.layers.highway import Highway
from layerkit_plugins.layers.projection import Projection
from tests.unit.plugins.compiled import nets
from tests.unit.plugins.compiled.nets import near, network, pairs

ACTIVATIONS = (
    *("relu", "tanh", "linear", "sigmoid", "elu"),
    *("selu", "leaky_relu", "softplus", "silu", "gelu"),
)
ROWS = (0, 1, 7, 64, 257)

Build = Callable[[], Sequence[Layer]]

PATTERNS: dict[str, tuple[Build, tuple[int, ...]]] = {
    "layer norm": (lambda: [Dense(units=6), nets.LayerNorm(), nets.LayerNorm()], (5,)),
    "maxout": (lambda: [nets.Maxout(), nets.Maxout(units=1)], (5,)),
    "gated": (lambda: [nets.Gated(), nets.Gated(), Dense(units=1)], (5,)),
    "residual": (lambda: [nets.Residual(), nets.Residual()], (5,)),
    "same": (lambda: [nets.Same(), nets.Same(), nets.Residual(), nets.Same()], (5,)),
    "mirrored": (lambda: [nets.Mirrored(), nets.Mirrored()], (5,)),
    "cube": (lambda: [nets.Cube(), Dense(units=3)], (3, 2)),
    "tied": (lambda: [nets.Tied(), nets.Tied()], (5,)),
    "batch norm": (lambda: [Dense(units=4), nets.BatchNorm(), Highway()], (5,)),
    "without biases": (
        lambda: [Highway(use_bias=False), Projection(units=3, use_bias=False)],
        (4,),
    ),
    "one of everything": (lambda: [Dense(units=1), Highway(), Projection(units=1)], (1,)),
}


def _activated(name: str) -> tuple[Build, tuple[int, ...]]:
    def build() -> list[Layer]:
        carry = Projection(units=3, activation=name, carry_activation=name)
        return [Dense(units=6, activation=name), Highway(activation=name), carry]

    return build, (5,)


PATTERNS |= {name: _activated(name) for name in ACTIVATIONS}


def rows(n: int, shape: tuple[int, ...], seed: int = 0) -> Array:
    drawn: Array = np.random.default_rng([n, seed]).standard_normal((n, *shape)).astype("f4")
    return drawn


@pytest.mark.parametrize("wants_dx", [True, False])
@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_a_stage_gives_what_the_methods_give(pattern: str, wants_dx: bool) -> None:
    build, shape = PATTERNS[pattern]
    net, other = network(build(), shape), network(build(), shape)
    stage = engine.Stage(net, pairs(net), wants_dx=wants_dx)
    contexts = other.contexts(training=True, wants_dx=wants_dx)
    for n in (*ROWS, 7):
        if n < 2 and pattern == "batch norm":
            continue  # its variance is 0 and amplifies rounding
        x = rows(n, shape)
        expected = other.feed(x, contexts).copy()
        y = stage.feed(x)
        near(expected, np.array(y))
        dy = rows(n, expected.shape[1:], 1)
        assert net.grads is not None
        net.grads[...] = np.nan
        dx = other.backprop(dy, contexts)
        got = stage.backprop(dy)
        if wants_dx:
            near(dx, np.array(got))
        assert other.grads is not None
        near(other.grads, net.grads)
        for p, q in zip(net.planned, other.planned, strict=True):
            for name in p.layer.state:
                near(q.layer.state[name], p.layer.state[name])


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_inference(pattern: str) -> None:
    build, shape = PATTERNS[pattern]
    net = network(build(), shape)
    stage = engine.Stage(net, pairs(net, training=False, keeps=False), keeps=False)
    for n in ROWS:
        expected = net.feed(rows(n, shape), net.contexts(keeps=False))
        near(expected, np.array(stage.feed(rows(n, shape))))


@pytest.mark.parametrize("how", ["columns", "gaps", "part", "read-only", "float64"])
def test_rows_may_lie_anyhow(how: str) -> None:
    net = network([Dense(units=4, activation="tanh"), Dense(units=2)], (6,))
    plain = rows(7, (6,))
    x = {
        "columns": np.asfortranarray(plain),
        "gaps": np.repeat(plain, 2, axis=1)[:, ::2],
        "part": np.pad(plain, ((2, 3), (4, 5)))[2:9, 4:10],
        "read-only": plain.copy(),
        "float64": plain.astype(np.float64),
    }[how]
    x.flags.writeable = how != "read-only"
    stage = engine.Stage(net, pairs(net))
    dy = np.asfortranarray(rows(7, (2,)))
    expected = net.feed(plain, contexts := net.contexts(training=True)).copy()
    net.backprop(dy, contexts)
    grads = net.allocate_grads().copy()
    near(expected, np.array(stage.feed(x)))
    del x
    rows(7, (6,)) + 1  # takes the memory of a copy that nothing holds
    stage.backprop(dy)
    near(grads, net.allocate_grads())


def test_a_stage_may_be_fed_its_own_output() -> None:
    net = network([Dense(units=5), Dense(units=5)], (5,))
    stage, contexts = engine.Stage(net, pairs(net)), net.contexts(training=True)
    for n in (1, 9):
        x = rows(n, (5,))
        expected = net.feed(net.feed(x, contexts).copy(), contexts)
        net.backprop(x, contexts)
        grads = net.allocate_grads().copy()
        near(expected, np.array(stage.feed(stage.feed(x))))
        stage.backprop(x)
        near(grads, net.allocate_grads())


CLASSES = ("softmax_cross_entropy",)


def targets_of(name: str, n: int, k: int) -> Array:
    rng = np.random.default_rng(n)
    if name in CLASSES:
        return rng.integers(0, k, n)
    if name == "sigmoid_cross_entropy":
        return rng.integers(0, 2, (n, k)).astype("f4")
    return rows(n, (k,), 5)


def loss_of(name: str, k: int, **settings: Any) -> tuple[Any, Recording]:
    loss = REGISTRIES["losses"].create({"type": name, **settings})
    shape = () if name in CLASSES else (k,)
    kind = np.int64 if name in CLASSES else np.float32
    return loss, record_loss(loss, (k,), np.float32, shape, kind)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("softmax_cross_entropy", {}),
        ("softmax_cross_entropy", {"label_smoothing": 0.1}),
        ("sigmoid_cross_entropy", {}),
        ("mse", {}),
        ("huber", {"delta": 0.3}),
    ],
)
@pytest.mark.parametrize("k", [1, 3, 10])
def test_learning(name: str, settings: dict[str, float], k: int) -> None:
    if "label_smoothing" in settings and k == 1:
        pytest.skip("its gradient is the rounding of 0")
    loss, recording = loss_of(name, k, **settings)
    net = network([Dense(units=6, activation="relu"), Dense(units=k)], (5,))
    stage, alone = engine.Stage(net, pairs(net)), engine.Loss(recording)
    for n in ROWS:
        x, targets, weights = rows(n, (5,)), targets_of(name, n, k), np.abs(rows(n, ()))
        contexts, ctx = net.contexts(training=True), Context(np.dtype("f4"), training=True)
        scores = net.feed(x, contexts)
        lost = float(loss.feed(scores, targets, ctx) @ weights)
        dscores = loss.backprop(weights, ctx)
        net.backprop(dscores, contexts)
        grads = net.allocate_grads().copy()
        net.allocate_grads()[...] = np.nan
        got, got_lost = stage.learn(x, targets, weights, recording)
        near(scores, np.array(got))
        assert got_lost == pytest.approx(lost, rel=3e-6, abs=1e-6)
        near(grads, net.allocate_grads())
        lost_alone, d = alone.learn(scores, targets, weights)
        assert lost_alone == pytest.approx(lost, rel=3e-6, abs=1e-6)
        near(dscores, np.array(d))


class _Blind(nets.Plain):
    """Reads nothing of x but its shape."""

    def plan(self, in_shape: tuple[int, ...]) -> Plan:
        return Plan((3,))

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x)
        return np.zeros_like(x)[:, :3]

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (x,) = ctx.saved
        return np.zeros_like(x)


def test_learning_where_the_first_layer_does_not_read_x() -> None:
    _, recording = loss_of("softmax_cross_entropy", 3)
    net = network([_Blind()], (5,))
    stage = engine.Stage(net, pairs(net), wants_dx=True)
    _, lost = stage.learn(rows(7, (5,)), np.zeros(7, int), np.full(7, 1 / 7, "f4"), recording)
    assert lost == pytest.approx(np.log(3), rel=1e-6)


@pytest.mark.parametrize("bad", ["infinite", "no class", "negative"])
def test_no_backprop_if_the_loss_is_not_finite(bad: str) -> None:
    _, recording = loss_of("softmax_cross_entropy", 3)
    net = network([Dense(units=3)], (5,))
    stage = engine.Stage(net, pairs(net))
    x, targets, weights = rows(7, (5,)), targets_of(CLASSES[0], 7, 3), np.ones(7, "f4")
    if bad == "infinite":
        x[2, 2] = np.inf
    else:
        targets[3] = 3 if bad == "no class" else -4
    net.allocate_grads()[...] = 5
    _, lost = stage.learn(x, targets, weights, recording)
    assert not np.isfinite(lost)
    assert (net.allocate_grads() == 5).all()


@pytest.mark.parametrize("link", ["identity", "softmax", "sigmoid"])
@pytest.mark.parametrize("pattern", sorted(PATTERNS.keys() - {"same", "tied"}))
def test_one_row(pattern: str, link: Link) -> None:
    build, shape = PATTERNS[pattern]
    net = network(build(), shape)
    row = engine.Row(net, pairs(net, training=False, keeps=False), link)
    x = rows(1, shape)
    expected = apply_link(link, net.feed(x, net.contexts(keeps=False)))
    first, second = row.predict(x), row.predict(np.asfortranarray(x))
    assert first is not None
    assert second is not None
    assert first is not second
    near(expected, first)
    np.testing.assert_array_equal(first, second)
    for wrong in (np.nan, np.inf, -np.inf):
        x.flat[0] = wrong
        assert row.predict(x) is None


def test_one_row_in_many_threads() -> None:
    net = network([Dense(units=9, activation="tanh"), Highway(), Dense(units=3)], (5,))
    row = engine.Row(net, pairs(net, training=False, keeps=False), "softmax")
    xs = rows(200, (5,))[:, None]
    expected = [row.predict(x) for x in xs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for a, b in zip(expected, pool.map(row.predict, xs), strict=True):
                np.testing.assert_array_equal(a, b)


def test_stages_in_two_threads() -> None:
    nets_ = [network([Dense(units=8), Highway(), nets.Gated()], (5,)) for _ in range(2)]
    stages = [engine.Stage(net, pairs(net), wants_dx=True) for net in nets_]
    x, dy = rows(64, (5,)), rows(64, (8,))
    results: list[list[Array]] = [[], []]
    barrier = threading.Barrier(2)

    def run(k: int) -> None:
        barrier.wait()
        for _ in range(50):
            stages[k].feed(x)
            results[k].append(np.array(stages[k].backprop(dy)))

    threads = [threading.Thread(target=run, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for found in results:
        assert len(found) == 50
        for dx in found:
            np.testing.assert_array_equal(dx, results[0][0])


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("decays", [True, False])
def test_rules(name: str, decays: bool) -> None:
    rule = REGISTRIES["optimizers"].create(name)
    compiled = engine.Rule(rule, record_rule(rule, np.float32))
    for m in (0, 1, 7, 1000):
        p, g = rows(m, ()), rows(m, (), 1)
        slots = [np.zeros_like(p) for _ in rule.slot_names]
        q, others = p.copy(), [s.copy() for s in slots]
        decay = (np.arange(m) % 2).astype("f4") if decays else None
        rule.decay = 1.0 if decay is None else decay
        for step in range(1, 4):
            rule.rate, rule.steps = 0.01 / step, step
            rule.rule(p, g.copy(), slots, np.empty_like(p))
            compiled(q, g, others, {"rate": 0.01 / step, "steps": step}, decay)
        near(p, q, 1e-6)
        for a, b in zip(slots, others, strict=True):
            near(a, b, 1e-6)


def test_a_rule_notices_other_arrays() -> None:
    rule = REGISTRIES["optimizers"].create("sgd")
    compiled = engine.Rule(rule, record_rule(rule, np.float32))
    p = np.ones(5, "f4")
    for g in (np.ones(5, "f4"), np.full(5, 2, "f4")):
        compiled(p, g, [], {"rate": 1.0, "steps": 1})
    np.testing.assert_array_equal(p, -2)


def test_equal_structures_share_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_loaded", {})

    def compiled(width: int, depth: int) -> int:
        layers = [Dense(units=width, activation="relu"), *(Highway() for _ in range(depth))]
        net = network([*layers, Dense(units=3)], (11,))
        engine.Stage(net, pairs(net)).feed(rows(5, (11,)))
        return len(machine._loaded)

    first = compiled(6, 2)
    assert compiled(6, 10) == compiled(8, 300) == first
    assert first <= 4  # three structures and the loops over layers


def test_memory_follows_the_number_of_rows() -> None:
    net = network([Dense(units=4, activation="tanh"), Highway()], (5,))
    stage, fresh = engine.Stage(net, pairs(net)), engine.Stage(net, pairs(net))
    for n in (3, 200, 3, 1, 50, 2, 7, 8, 9, 10, 11, 200):
        np.testing.assert_array_equal(stage.feed(rows(n, (5,))), fresh.feed(rows(n, (5,))))
        fresh = engine.Stage(net, pairs(net))


class _Written(nets.Plain):
    """What ``feed`` is told to compute."""

    type_name = "written"

    def __init__(
        self, compute: Callable[[Layer, Array, Context], Array], name: str = "unnamed"
    ) -> None:
        self._compute = compute
        self.name = name  # recordings are shared by it

    def plan(self, in_shape: tuple[int, ...]) -> Plan:
        return Plan(in_shape, {"W": Param((5, 5)), "v": Param((5,))})

    def feed(self, x: Array, ctx: Context) -> Array:
        return self._compute(self, x, ctx)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


REFUSED: dict[str, tuple[Callable[[Any, Any, Any], Any], str]] = {
    "an unknown ufunc": (lambda _, x, c: np.arctan(x), "np.arctan is not compiled"),
    "an unknown function": (lambda _, x, c: np.cumsum(x, axis=1), "np.cumsum is not compiled"),
    "a method of a ufunc": (
        lambda _, x, c: np.add.accumulate(x, axis=1),
        "np.add.accumulate is not compiled",
    ),
    "a keyword": (lambda _, x, c: np.exp(x, dtype="f4"), "np.exp with dtype is not compiled"),
    "where in all": (
        lambda _, x, c: x + np.argmax(x).astype(c.dtype),
        "np.argmax is not compiled",
    ),
    "float64": (lambda _, x, c: (x * np.float64(2)).astype(c.dtype), "float64"),
    "another power": (lambda _, x, c: np.abs(x) ** 1.7, "1.7"),
    "a random draw": (lambda _, x, c: x + c.rng.random(x.shape, np.float32), "random"),
    "rows by rows": (lambda _, x, c: x @ x.T @ x, "rows by rows"),
    "flipped": (lambda s, x, c: x[:, ::-1] @ s.params["W"], "flipped"),
    "a vector": (lambda s, x, c: x * (x @ s.params["v"])[:, None], "two matrices"),
    "counted": (lambda _, x, c: x / (x > 0).sum(axis=1, keepdims=True).astype("f4"), "sum of bool"),
    "picked": (lambda _, x, c: x[:, np.array([1, 0, 2, 3, 4])], "axes|gather|index"),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_refusals(what: str) -> None:
    compute, reason = REFUSED[what]
    layer = _Written(compute)
    (planned,) = network([layer], (5,)).planned
    found = record(layer, (5,), np.float32, training=True, keeps=True, plan=planned.plan)
    told = engine.takes(found, planned)
    assert told is not None
    assert any(word in told for word in reason.split("|"))
    with pytest.raises(NotCompiled):
        engine.Stage(network([layer], (5,)), [(planned, found)])


@pytest.mark.parametrize("shape", [(6,), (4, 3)], ids=["vectors", "matrices"])
@pytest.mark.parametrize("find", [np.argmax, np.argmin], ids=["argmax", "argmin"])
def test_the_index_of_an_extreme_is_the_first_of_equals(find: Any, shape: tuple[int, ...]) -> None:
    def compute(_: Layer, x: Array, ctx: Context) -> Array:
        found: Array = x + find(x, axis=-1, keepdims=True).astype(ctx.dtype)
        return found if x.ndim == 2 else found + find(x, 1).astype(ctx.dtype)[:, None]

    layers = [_Written(compute, find.__name__) for _ in range(2)]
    net, other = (network([layer], shape) for layer in layers)
    stage = engine.Stage(net, pairs(net, training=False, keeps=False), keeps=False)
    row = engine.Row(net, pairs(net, training=False, keeps=False), "identity")
    odd = np.array([0.0, -0.0, 1.0, -1.0, 1e-40, np.nan, np.inf, -np.inf, 3.0], np.float32)
    draw = np.random.default_rng(0)
    for values in (odd[:5], odd, odd[-3:]):
        x = draw.choice(values, (500, *shape))
        x[:20] = values[0]
        expected = other.feed(x, other.contexts(keeps=False))
        np.testing.assert_array_equal(np.array(stage.feed(x)), expected)
        for k in (0, 100, 101, 102):
            alone = row.predict(x[k : k + 1])
            assert (alone is None) == (not np.isfinite(x[k]).all())
            if alone is not None:
                np.testing.assert_array_equal(alone, expected[k : k + 1])


def test_truth_values_are_put_together_with_numbers() -> None:
    def compute(layer: Layer, x: Array, _: Context) -> Array:
        W = layer.params["W"]
        both = np.concatenate([W > 0, W], axis=-1)
        y: Array = (x @ both) @ both.T
        return y

    net, other = (network([_Written(compute, "truth")], (5,)) for _ in range(2))
    stage = engine.Stage(net, pairs(net, training=False, keeps=False), keeps=False)
    x = rows(3, (5,))
    near(other.feed(x, other.contexts(keeps=False)), np.array(stage.feed(x)))


class _ReadLate(nets.Plain):
    """The gradient of W needs what dx starts from, and is computed beside other products."""

    type_name = "read late"

    def plan(self, in_shape: tuple[int, ...]) -> Plan:
        return Plan(in_shape, {"W": Param((5, 5)), "V": Param((5, 3))})

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x @ self.params["V"], x)
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        u, x = ctx.saved
        W, V = self.params["W"], self.params["V"]
        start = u @ V.T
        again = np.dot(x, V)  # not seen to be u
        held = np.maximum(start, 0)
        self.grads["V"] = np.full(V.shape, 0.5, ctx.dtype) * dy.mean()
        self.grads["W"] = start.T @ held
        dx: Array = u @ V.T + held @ W.T + again @ V.T
        return dx


def test_what_dx_starts_from_is_kept_as_long_as_it_is_read() -> None:
    net, other = (network([_ReadLate()], (5,)) for _ in range(2))
    stage = engine.Stage(net, pairs(net), wants_dx=True)
    contexts = other.contexts(training=True, wants_dx=True)
    for n in (1, 7):
        x, dy = rows(n, (5,)), rows(n, (5,), 1)
        stage.feed(x)
        other.feed(x, contexts)
        near(other.backprop(dy, contexts), np.array(stage.backprop(dy)))
        assert net.grads is not None and other.grads is not None  # noqa: PT018
        near(other.grads, net.grads)


def test_a_sum_over_no_axis() -> None:
    def compute(_: Layer, x: Array, ctx: Context) -> Array:
        y: Array = 2 * x.sum(axis=())
        return y

    net = network([_Written(compute, "no axis")], (5,))
    stage = engine.Stage(net, pairs(net, training=False, keeps=False), keeps=False)
    x = rows(3, (5,))
    np.testing.assert_array_equal(np.array(stage.feed(x)), 2 * x)


def test_the_number_of_rows_among_whole_numbers() -> None:
    def compute(_: Layer, x: Array, ctx: Context) -> Array:
        y: Array = ((x > 0) * (len(x) + 1)).astype(ctx.dtype)
        return y

    net = network([_Written(compute, "whole")], (5,))
    stage = engine.Stage(net, pairs(net, training=False, keeps=False), keeps=False)
    for n in (1, 3):
        x = rows(n, (5,))
        np.testing.assert_array_equal(np.array(stage.feed(x)), (x > 0) * (n + 1.0))


@pytest.mark.parametrize("turned", [False, True], ids=["factor", "turned factor"])
def test_a_product_is_not_added_onto_its_own_factor(turned: bool) -> None:
    def compute(layer: Layer, x: Array, _: Context) -> Array:
        u = x * x
        shown = u.T.reshape(u.shape[::-1]).T if turned else u
        y: Array = u + shown @ layer.params["W"]
        return y

    net, other = (network([_Written(compute, f"onto {turned}")], (5,)) for _ in range(2))
    layers = pairs(net, training=False, keeps=False)
    for n in (1, 3, 2000):
        x = rows(n, (5,))
        expected = other.feed(x, other.contexts(keeps=False))
        near(expected, np.array(engine.Stage(net, layers, keeps=False).feed(x)))
        alone = engine.Row(net, layers, "identity").predict(x[:1])
        assert alone is not None
        near(expected[:1], alone)


def test_float64_is_refused() -> None:
    found = record(Dense(units=2), (5,), np.float64, training=True, keeps=True)
    assert engine.takes(found) == "computes in float64"


def test_without_a_product_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.trouble() == ""
    monkeypatch.setattr(engine, "address_of_sgemm", lambda: None)
    assert "no matrix product" in engine.trouble()


def test_the_product_of_scipy_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from layerkit_plugins.compiled.llvm import products

    pytest.importorskip("scipy")
    monkeypatch.setattr(products, "blas_symbol", lambda _: None)
    address = products.address_of_sgemm.__wrapped__()
    net = network([Dense(units=4), Highway()], (5,))
    stage = engine.Stage(net, pairs(net), wants_dx=True)
    expected = np.array(stage.feed(x := rows(7, (5,))))
    monkeypatch.setattr(engine, "address_of_sgemm", lambda: address)
    near(expected, np.array(engine.Stage(net, pairs(net)).feed(x)))


def test_equal_kernels_are_one_function() -> None:
    def functions(steps: int) -> int:
        (planned,) = network([GRU(units=3)], (steps, 2)).planned
        recording = record(planned.layer, planned.in_shape, np.float32, training=True, keeps=True)
        form = form_of(recording, planned.plan, keeps=True, wants_dx=True)
        return form.ir.count("define internal")

    assert functions(9) == functions(4)
