"""Planned stages give what their layers give, replayed one by one."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from layerkit.core.network import Network
from layerkit.execution import products
from layerkit.execution.planned.stage import PlannedLoss, PlannedRow, PlannedStage
from layerkit.recording.record import record_loss
from layerkit.recording.replay import replay
from tests.unit.execution.planned.nets import Passed, Plain, dense, highway, network, recorded

ROWS = 0, 1, 2, 7, 64
LAYERS = [
    dense(12, 9),
    highway(12),
    highway(12),
    dense(12, 12, "tanh"),
    highway(12, bias=False),
    dense(5, 12, "linear"),
]
CLOSE: dict[Any, float] = {np.float32: 1e-5, np.float64: 1e-13}


def close(found: Any, wanted: Any, dtype: Any) -> None:
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    scale = max(1.0, np.abs(wanted).max(initial=0))
    assert np.abs(found - wanted).max(initial=0) <= CLOSE[dtype] * scale


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("wants_dx", [True, False])
def test_a_stage_gives_the_outputs_and_gradients_of_its_layers(dtype: Any, wants_dx: bool) -> None:
    net = network(LAYERS, (9,), dtype)
    members = recorded(net)
    stage = PlannedStage(net, members, keeps=True, wants_dx=wants_dx)
    numbers = np.random.default_rng(1)
    for n in (*ROWS, *ROWS[::-1]):  # forms are kept, over memory that grows
        x = numbers.standard_normal((n, 9)).astype(dtype)
        dy = np.asfortranarray(numbers.standard_normal((n, 5)).astype(dtype))
        wanted = Passed(members, x, dy, {})
        close(stage.feed(x), wanted.y, dtype)
        dx = stage.backprop(dy)
        if wants_dx:
            close(dx, wanted.dx, dtype)
        found = net.split(net.allocate_grads())
        assert found.keys() == wanted.grads.keys()
        for name, grad in wanted.grads.items():
            close(found[name], grad, dtype)


def test_inference_and_single_rows_agree_with_the_layers() -> None:
    net = network(LAYERS, (9,), np.float64)
    members = recorded(net, keeps=False, training=False)
    x = np.random.default_rng(2).standard_normal((7, 9))
    wanted = x
    for p, recording in members:
        wanted = replay(recording, {"x": wanted}, 7, params=p.layer.params).y
    stage = PlannedStage(net, members, keeps=False, wants_dx=False)
    close(stage.feed(x), wanted, np.float64)
    assert PlannedRow.fits(members)
    row = PlannedRow(net, members)
    for i in range(7):
        close(row.feed(x[i]), wanted[i], np.float64)


def test_a_network_over_a_file_has_no_flat_vectors_but_shares_the_templates() -> None:
    net = network(LAYERS, (9,), np.float64)
    members = recorded(net, keeps=False, training=False)
    mapped = {name: array.copy() for name, (_, array) in net.tensors().items()}
    twins = [p._replace(layer=copy.copy(p.layer)) for p in net.planned]
    over = Network(twins, net.dtype, mapped=mapped)
    theirs = [(p, recording) for p, (_, recording) in zip(twins, members, strict=True)]
    x = np.random.default_rng(2).standard_normal((7, 9))
    for first, second in ((net, over), (over, net)):
        for _, recording in members:
            recording.forms.clear()
        found = []
        for one in (first, second):
            given = members if one is net else theirs
            stage = PlannedStage(one, given, keeps=False, wants_dx=False)
            found.append(stage.feed(x).copy())
        close(found[0], found[1], np.float64)
    assert over.mapped


def test_single_rows_are_vectors_only_where_all_operations_are_known_to_allow_it() -> None:
    def fits(feed: Any) -> bool:
        layer = Plain(feed, lambda layer, dy, ctx: dy, params={"W": (6, 6), "s": (6,)})
        net = network([layer], (6,), np.float64)
        members = recorded(net, keeps=False, training=True)
        if PlannedRow.fits(members):
            x = np.random.default_rng(2).standard_normal((1, 6))
            wanted = replay(members[0][1], {"x": x}, 1, params=net.layers[0].params).y
            close(PlannedRow(net, members).feed(x[0]), wanted[0], np.float64)
            return True
        return False

    assert fits(lambda layer, x, ctx: np.tanh(x @ layer.params["W"] + layer.params["s"]))
    assert fits(lambda layer, x, ctx: x - x.mean(axis=1, keepdims=True))
    assert fits(lambda layer, x, ctx: np.concatenate([x[:, 3:], x[:, :3] * 2], axis=1))
    assert not fits(lambda layer, x, ctx: x + ctx.rng.random(x.shape))
    assert not fits(lambda layer, x, ctx: x - x.mean(axis=0))
    assert not fits(lambda layer, x, ctx: np.cumsum(x, axis=1))
    assert not fits(lambda layer, x, ctx: x + np.concatenate([layer.params["W"], x]).sum())
    assert not fits(lambda layer, x, ctx: np.square(x.T).T)


class Mistakes:
    """Softmax cross-entropy, as equations."""

    def feed(self, scores: Any, targets: Any, ctx: Any) -> Any:
        s = scores - scores.max(axis=1, keepdims=True)
        e = np.exp(s)
        Z = e.sum(axis=1)
        ctx.save(e, Z, targets)
        return np.log(Z) - s[np.arange(len(s)), targets]

    def backprop(self, weights: Any, ctx: Any) -> Any:
        e, Z, targets = ctx.saved
        d = e * (weights / Z)[:, None]
        d[np.arange(len(d)), targets] -= weights
        return d


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loss_gives_the_weighted_loss_and_its_gradient(dtype: Any) -> None:
    recording = record_loss(Mistakes(), (10,), dtype, (), np.int64)
    loss = PlannedLoss(recording)
    numbers = np.random.default_rng(4)
    for n in ROWS:
        scores = numbers.standard_normal((n, 10)).astype(dtype)
        targets = numbers.integers(0, 10, n)
        weights = numbers.random(n).astype(dtype)
        given = {"x": scores, "targets": targets, "weights": weights}
        wanted = replay(recording, given, n)
        lost, slope = loss.learn(scores, targets, weights)
        assert wanted.dx is not None
        close(np.array(lost, dtype), np.array(wanted.y @ weights, dtype), dtype)
        close(slope, wanted.dx, dtype)
        for row in (0, n - 1) if n else ():
            only = (np.arange(n) == row).astype(dtype)
            close(np.array(loss.learn(scores, targets, only)[0], dtype), wanted.y[row], dtype)


def test_layers_of_equal_structure_share_a_template_and_the_scratch_memory() -> None:
    one = highway(12)
    sizes = []
    for depth in (1, 2, 3):
        net = network([one] * depth, (12,), np.float32)
        stage = PlannedStage(net, recorded(net), keeps=True, wants_dx=False)
        stage.feed(np.zeros((64, 12), np.float32))
        sizes.append(stage._pool.nbytes)
    kept = 4 * 12 * 64 * 4  # H, C, P and y, and a little between slots
    assert kept <= sizes[2] - sizes[1] < kept + 256


def test_products_that_cores_share_may_run_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two products may be written while the first one's operands are read."""

    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        T = layer.params["T"]
        u, v = np.tanh(x @ T[0]), np.tanh(x @ T[1])
        ctx.save(x, u, v)
        return u * v

    def backprop(layer: Any, dy: Any, ctx: Any) -> Any:
        (x, u, v), T = ctx.saved, layer.params["T"]
        du, dv = dy * v * (1 - u * u), dy * u * (1 - v * v)
        layer.grads["T"] = np.stack([x.T @ du, x.T @ dv])
        return du @ T[0].T + dv @ T[1].T

    pairs = []

    def backwards(first: products.Product, second: products.Product) -> None:
        pairs.append(first)
        for a, b, out in (second, first):
            np.matmul(a, b, out)

    monkeypatch.setattr(products, "LARGE", 1)
    monkeypatch.setattr(products, "matmul", lambda a, b, out: np.matmul(a, b, out))
    monkeypatch.setattr(products, "matmul_both", backwards)
    net = network(
        [Plain(feed, backprop, params={"T": (2, 6, 6)}) for _ in range(2)], (6,), np.float64
    )
    members = recorded(net)
    stage = PlannedStage(net, members, keeps=True, wants_dx=True)
    numbers = np.random.default_rng(4)
    x, dy = numbers.standard_normal((2, 5, 6))
    wanted = Passed(members, x, dy, {})
    close(stage.feed(x), wanted.y, np.float64)
    close(stage.backprop(dy), wanted.dx, np.float64)
    for name, grad in wanted.grads.items():
        close(net.split(net.allocate_grads())[name], grad, np.float64)
    assert len(pairs) >= 4
