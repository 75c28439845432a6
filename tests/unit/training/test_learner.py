"""Batches in one piece and in two, as written, planned and compiled: the same gradients."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit.core.context import Array, Context
from layerkit.core.network import Network
from layerkit.core.parts import Loss
from layerkit.discovery.engines import compiled_engine
from layerkit.discovery.registry import LAYERS, LOSSES
from layerkit.errors import PluginLoadError
from layerkit.execution.engine import Engine
from layerkit.execution.planned_engine import PLANNED, PlannedNumPy
from layerkit.threads import single_blas
from layerkit.training import learner as module
from layerkit.training.learner import Learner


class _Unlocked(PlannedNumPy):
    """Planned NumPy that says of itself what the compiled engine says: batches go in halves."""

    type_name = "unlocked"
    releases_the_lock = True


UNLOCKED = _Unlocked()
needs_llvm = pytest.mark.skipif(
    importlib.util.find_spec("llvmlite") is None,
    reason="llvmlite, the extra `fast`, is not installed",
)
each = pytest.mark.parametrize(
    "kind", ["written", "planned", "unlocked", pytest.param("compiled", marks=needs_llvm)]
)
in_halves = pytest.mark.parametrize(
    "kind", ["unlocked", pytest.param("compiled", marks=needs_llvm)]
)


def engines_of(kind: str) -> list[Engine]:
    if kind == "compiled":
        return [compiled_engine(), PLANNED]
    known: dict[str, list[Engine]] = {"planned": [PLANNED], "unlocked": [UNLOCKED, PLANNED]}
    return known.get(kind, [])


HIGHWAY = {"type": "highway", "activation": "tanh"}
PROJECTION = {"type": "projection", "units": 6, "carry_initializer": "mean"}
LOSS = "softmax_cross_entropy"
NETS: list[list[dict[str, Any]]] = [
    [{"type": "dense", "units": 12, "activation": "relu"}, HIGHWAY, PROJECTION],
    [HIGHWAY, HIGHWAY, {"type": "dense", "units": 6, "activation": "sigmoid"}],
    [PROJECTION | {"activation": "sigmoid", "carry_activation": "linear"}],
    [{"type": "dense", "units": 40, "activation": "tanh"}, PROJECTION, HIGHWAY | {"freeze": True}],
    [
        HIGHWAY | {"activation": "silu", "use_bias": False},
        PROJECTION | {"carry_activation": "gelu"},
        {"type": "dense", "units": 6, "activation": "gelu", "use_bias": False},
        HIGHWAY | {"activation": "elu"},
    ],
]


def network_of(layers: list[dict[str, Any]]) -> Network:
    layers = [*layers, {"type": "dense", "units": 3}]
    network = layerkit.build({"layerkit": 1, "input": {"shape": [8]}, "layers": layers}).network
    network.params[:] = 0.4 * np.random.default_rng(5).standard_normal(network.size)
    return network


def batch_of(rows: int) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(6)
    weights = rng.uniform(0.5, 1, rows).astype(np.float32)
    x = rng.standard_normal((rows, 8)).astype(np.float32)
    return x, rng.integers(0, 3, rows), weights / weights.sum(dtype=np.float32)


def plainly(network: Network, x: Array, y: Array, weights: Array) -> tuple[Array, float, Array]:
    """Scores, loss and gradients, step by step."""
    contexts, loss = network.contexts(training=True), LOSSES.create(LOSS)
    ctx = layerkit.Context(training=True)
    scores = network.feed(x, contexts).copy()
    lost = float(loss.feed(scores, y, ctx) @ weights)
    network.backprop(loss.backprop(weights, ctx), contexts)
    assert network.grads is not None
    return scores, lost, network.grads.copy()


def learned(learner: Learner, x: Array, y: Array, weights: Array) -> tuple[Array, float, Array]:
    grads = learner.network.allocate_grads()
    grads[:] = np.nan
    with single_blas():
        scores, lost = learner.learn(x.__getitem__, y, weights)
    return scores.copy(), lost, grads.copy()


def learner_of(network: Network, kind: str) -> Learner:
    return Learner(network, LOSSES.create(LOSS), engines_of(kind))


def pieces(learner: Learner) -> int:
    """Into how many pieces the last batch was cut, at most."""
    return len(learner._pieces)


@pytest.fixture
def always_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut batches however small, where they may be cut."""
    monkeypatch.setattr(module, "_MUCH", 1)
    monkeypatch.setattr(module, "_FEWEST", 16)


def same(found: tuple[Array, float, Array], wanted: tuple[Array, float, Array]) -> None:
    np.testing.assert_allclose(found[0], wanted[0], rtol=2e-5, atol=2e-6)
    assert found[1] == pytest.approx(wanted[1], rel=1e-5)
    largest = np.abs(wanted[2]).max()
    np.testing.assert_allclose(found[2], wanted[2], rtol=2e-5, atol=2e-6 * largest)


@each
@pytest.mark.parametrize("layers", NETS)
def test_gradients_are_those_of_feed_and_backprop(layers: list[dict[str, Any]], kind: str) -> None:
    network = network_of(layers)
    learner = learner_of(network, kind)
    for rows in (40, 7, 64, 1, 65):  # one learner for all: memory is laid anew as rows change
        batch = batch_of(rows)
        same(learned(learner, *batch), plainly(network, *batch))
        assert np.shares_memory(network.grads, learner.network.grads)


@in_halves
@pytest.mark.parametrize("layers", NETS)
@pytest.mark.usefixtures("always_halves")
def test_halves_give_the_gradients_of_the_whole(layers: list[dict[str, Any]], kind: str) -> None:
    network = network_of(layers)
    learner = learner_of(network, kind)
    for rows in (40, 7, 64, 1, 65, 40):
        batch = batch_of(rows)
        for _ in range(2):  # the forms are on trial in the first
            same(learned(learner, *batch), plainly(network, *batch))
    assert pieces(learner) == 2


@needs_llvm
def test_a_compiled_network_runs_as_a_whole() -> None:
    batch = batch_of(50)
    learner = learner_of(network_of(NETS[0]), "compiled")
    assert learner.contexts == {}  # no layer runs as it is written
    learned(learner, *batch)
    engine, _ = learner._pieces[0].chain.whole(batch[0])  # type: ignore[misc]
    assert engine.type_name == "compiled"
    spec = {"layerkit": 1, "dtype": "float64", "input": {"shape": [8]}, "layers": NETS[0]}
    double = Learner(layerkit.build(spec).network, LOSSES.create("mse"), engines_of("compiled"))
    engine, _ = double._pieces[0].chain.whole(np.ones((50, 8)))  # type: ignore[misc]
    assert engine.type_name == "planned"  # compiled forms are of float32 only


@each
@pytest.mark.parametrize("layers", NETS)
@pytest.mark.usefixtures("always_halves")
def test_the_number_of_threads_changes_no_bit(
    layers: list[dict[str, Any]], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, batch = network_of(layers), batch_of(50)
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("LAYERKIT_THREADS", threads)
        learner = learner_of(network, kind)
        found += [learned(learner, *batch) for _ in range(20)]
        assert pieces(learner) == (2 if kind in ("unlocked", "compiled") else 1)
    for scores, lost, grads in found[1:]:
        assert (scores == found[0][0]).all()
        assert lost == found[0][1]
        assert (grads == found[0][2]).all()


@each
@pytest.mark.usefixtures("always_halves")
def test_weights_changed_in_place_are_seen(kind: str) -> None:
    network, batch = network_of(NETS[0]), batch_of(50)
    learner = learner_of(network, kind)
    learned(learner, *batch)
    network.params[:] *= 0.5
    same(learned(learner, *batch), plainly(network, *batch))


@each
@pytest.mark.usefixtures("always_halves")
def test_a_loss_that_is_not_finite_in_one_half_is_told(kind: str) -> None:
    network = network_of(NETS[0])
    for row in (0, 45):
        x, y, weights = batch_of(50)
        learner = learner_of(network, kind)
        for _ in range(2):
            learned(learner, x, y, weights)
            fine = x[row].copy()
            x[row] = np.inf
            assert not np.isfinite(learned(learner, x, y, weights)[1])
            x[row] = fine


@each
@pytest.mark.usefixtures("always_halves")
def test_a_batch_after_one_whose_loss_was_not_finite_is_learned_as_ever(kind: str) -> None:
    network, (x, y, weights) = network_of(NETS[0]), batch_of(50)
    learner = learner_of(network, kind)
    learned(learner, np.full_like(x, np.nan), y, weights)
    found = learned(learner, x, y, weights)
    same(found, plainly(network, x, y, weights))
    if kind == "written":
        np.testing.assert_array_equal(found[2], plainly(network, x, y, weights)[2])


@in_halves
def test_what_is_large_is_cut_and_what_is_small_is_not(kind: str) -> None:
    layers = [{"type": "dense", "units": 256, "activation": "relu"}, {"type": "dense", "units": 10}]
    spec = {"layerkit": 1, "input": {"shape": [784]}, "layers": layers}
    rng = np.random.default_rng(8)

    def ends(network: Network, kind: str, rows: int) -> list[int]:
        learner = learner_of(network, kind)
        x = rng.standard_normal((rows, *network.planned[0].in_shape)).astype(np.float32)
        cut: list[int] = []

        def getter(part: slice) -> Array:
            cut.append(part.stop)
            return x[part]

        for _ in range(2):
            cut.clear()
            with single_blas():
                learner.learn(getter, np.arange(rows) % 3, np.full(rows, 1 / rows, np.float32))
        return sorted(cut)

    large, small = layerkit.build(spec).network, network_of(NETS[0])
    assert ends(large, kind, 32) == [32]
    assert ends(large, kind, 200) == [112, 200]
    assert ends(large, "planned", 200) == [200]
    assert ends(small, kind, 4096) == [4096]


class _Plain(layerkit.Layer):
    def plan(self, in_shape: layerkit.Shape) -> layerkit.Plan:
        return layerkit.Plan(in_shape)

    def backprop(self, dy: Any, ctx: Context) -> Any:
        return dy * ctx.saved[0]


class _Scaled(_Plain):
    """y = n x, n the number of rows, which halves would not see."""

    type_name = "test.scaled"

    def feed(self, x: Any, ctx: Context) -> Any:
        ctx.save(len(x))
        return x * np.float32(len(x))


class _Centred(_Plain):
    """Subtracts the mean of the batch: the rows meet."""

    type_name = "test.centred"

    def feed(self, x: Any, ctx: Context) -> Any:
        return x - x.mean(axis=0)

    def backprop(self, dy: Any, ctx: Context) -> Any:
        return dy - dy.mean(axis=0)


class _Drawing(_Plain):
    """Draws once per batch, so that halves would not draw what a whole one draws."""

    type_name = "test.drawing"

    def feed(self, x: Any, ctx: Context) -> Any:
        kept = (ctx.rng.random(x.shape, dtype=np.float32) < 0.5) * np.float32(2)
        ctx.save(kept)
        return x * kept


class _Counting(_Plain):
    """Writes state: the number of batches, which it adds."""

    type_name = "test.counting"

    def plan(self, in_shape: layerkit.Shape) -> layerkit.Plan:
        return layerkit.Plan(in_shape, state={"count": layerkit.Param((1,))})

    def feed(self, x: Any, ctx: Context) -> Any:
        self.state["count"] = self.state["count"] + 1
        count = self.state["count"].copy()
        ctx.save(count)
        return x * count


class _Switching(_Plain):
    """Decides by the number of rows in a way that its recording does not show."""

    type_name = "test.switching"
    above: bool

    def __init__(self, *, above: bool) -> None:
        self.above = above

    def feed(self, x: Any, ctx: Context) -> Any:
        odd = len(x) > 40 if self.above else 20 < len(x) < 40
        factor = np.float32(2 if odd else 1)
        ctx.save(factor)
        return x * factor


MEETING: list[dict[str, Any]] = [
    *({"type": kind.type_name} for kind in (_Scaled, _Centred, _Drawing, _Counting)),
    {"type": "test.switching", "above": True},
    {"type": "test.switching", "above": False},
    *({"type": name} for name in ("batchnorm", "dropout", "gaussian_noise")),
]


@pytest.fixture
def strangers() -> Iterator[None]:
    kinds: list[type[layerkit.Layer]] = [_Scaled, _Centred, _Drawing, _Counting, _Switching]
    for kind in kinds:
        layerkit.register(kind)
    yield
    for kind in kinds:
        LAYERS.unregister(kind.type_name)


@each
@pytest.mark.parametrize("place", [0, 2, 3])
@pytest.mark.parametrize("stranger", MEETING, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.usefixtures("strangers", "always_halves")
def test_a_layer_sees_whole_batches_where_halves_would_differ(
    place: int, stranger: dict[str, Any], kind: str
) -> None:
    layers = [*NETS[0][:place], stranger, *NETS[0][place:]]
    found, wanted = network_of(layers), network_of(layers)
    learner, plain = learner_of(found, kind), Learner(wanted, LOSSES.create(LOSS), [])
    for one in (learner, plain):
        one.set_streams(lambda name: np.random.default_rng(len(name)))
    for rows in (50, 50, 30, 50):  # 50 rows would be halves of 32 and 18
        batch = batch_of(rows)
        same(learned(learner, *batch), learned(plain, *batch))


class _Ranked(layerkit.Loss):
    """The loss of a row depends on the mean of the batch."""

    type_name = "test.ranked"
    target = "class"

    def feed(self, scores: Any, targets: Any, ctx: Context) -> Any:
        apart = scores - scores.mean(axis=0)
        ctx.save(2 * apart)
        return (apart**2).sum(axis=1)

    def backprop(self, dy: Any, ctx: Context) -> Any:
        inner = ctx.saved[0] * dy[:, None]
        return inner - inner.mean(axis=0)


class _SwitchingLoss(layerkit.Loss):
    """Decides by the number of rows in a way that its recording does not show."""

    type_name = "test.switching_loss"
    target = "class"

    def __init__(self, *, above: bool) -> None:
        self.above = above

    def feed(self, scores: Any, targets: Any, ctx: Context) -> Any:
        odd = len(scores) > 40 if self.above else 20 < len(scores) < 40
        factor = np.float32(2 if odd else 1)
        ctx.save(2 * factor * scores)
        return factor * (scores**2).sum(axis=1)

    def backprop(self, dy: Any, ctx: Context) -> Any:
        return ctx.saved[0] * dy[:, None]


@each
@pytest.mark.parametrize("meets", ["mean", "above", "below"])
@pytest.mark.usefixtures("always_halves")
def test_a_loss_whose_rows_meet_sees_whole_batches(meets: str, kind: str) -> None:
    loss = _Ranked() if meets == "mean" else _SwitchingLoss(above=meets == "above")
    found, wanted = network_of(NETS[0]), network_of(NETS[0])
    learner, plain = Learner(found, loss, engines_of(kind)), Learner(wanted, loss, [])
    for rows in (50, 50, 30, 50):
        batch = batch_of(rows)
        same(learned(learner, *batch), learned(plain, *batch))


@each
def test_nothing_is_sent_back_from_a_loss_that_is_not_finite(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Array] = []

    class Spy(_Plain):
        type_name = "test.spy"
        eager = True

        def feed(self, x: Any, ctx: Context) -> Any:
            return x * np.float32(np.nan)

        def backprop(self, dy: Any, ctx: Context) -> Any:
            sent.append(dy)
            return dy

    layerkit.register(Spy)
    try:
        learner = learner_of(network_of([NETS[0][0], {"type": "test.spy"}]), kind)
        for _ in range(2):
            assert np.isnan(learned(learner, *batch_of(50))[1])
        assert not sent
    finally:
        LAYERS.unregister("test.spy")


@each
@pytest.mark.usefixtures("strangers")
def test_what_a_layer_raises_names_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Scaled, "feed", lambda *_: 1 / 0)
    network, batch = network_of([NETS[0][0], {"type": "test.scaled"}]), batch_of(50)
    with pytest.raises(PluginLoadError, match="feed raised ZeroDivisionError"):
        learned(learner_of(network, kind), *batch)


class _Narrow(Loss):
    """Its gradient has one column for all scores; ``dtype`` may differ from theirs."""

    type_name = "tests.narrow"
    target = "class"
    link = "softmax"
    width: int | None = 1
    dtype = "f4"

    def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
        ctx.save(scores)
        losses: Array = (scores * scores).sum(axis=1)
        return losses

    def backprop(self, weights: Array, ctx: Context) -> Array:
        (scores,) = ctx.saved
        slope: Array = (scores * weights[:, None])[:, : self.width].astype(self.dtype)
        return slope


class _Double(_Narrow):
    """Its gradient is in double precision."""

    type_name = "tests.double"
    width, dtype = None, "f8"


@each
@pytest.mark.parametrize("loss", [_Narrow(), _Double()], ids=lambda loss: loss.type_name)
def test_a_gradient_that_is_not_one_of_the_scores_is_refused(kind: str, loss: Loss) -> None:
    learner = Learner(network_of(NETS[0]), loss, engines_of(kind))
    x, y, weights = batch_of(5)
    with pytest.raises(PluginLoadError, match=r"loss 'tests\.\w+': backprop: expected float32"):
        learner.learn(lambda part: x[part], y, weights)
