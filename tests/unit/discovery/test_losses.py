"""Losses: hand-computed values, the contract, memory order, and the ends of the number range."""

from __future__ import annotations

import inspect
import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from layerkit import Array, Context, Loss
from layerkit.discovery.registry import REGISTRIES

NAMES = REGISTRIES["losses"].names()
DTYPES = [np.float32, np.float64]
SETTINGS: list[str | dict[str, Any]] = [
    *NAMES,
    {"type": "softmax_cross_entropy", "label_smoothing": 0.1},
    {"type": "huber", "delta": 0.5},
    {"type": "sigmoid_cross_entropy", "label_smoothing": 0.1},
    {"type": "quantile", "quantile": 0.9},
    {"type": "softmax_focal", "gamma": 0},
    {"type": "softmax_focal", "gamma": 0.5},
    {"type": "sigmoid_focal", "gamma": 0},
    {"type": "sigmoid_focal", "gamma": 1.5, "alpha": 0.25},
]


def make(config: str | dict[str, Any]) -> Loss:
    part: Loss = REGISTRIES["losses"].create(config)
    return part


def targets_for(loss: Loss, n: int, k: int, dtype: Any = np.float64) -> Array:
    rng = np.random.default_rng(3)
    if loss.target == "class":
        return rng.integers(0, k, n)
    if loss.least == 0:
        return rng.poisson(3, (n, k))
    return rng.integers(0, 2, (n, k)) if loss.target == "binary" else rng.normal(size=(n, k))


def run(loss: Loss, scores: Array, targets: Any, weights: Any) -> tuple[Array, Array]:
    ctx = Context(scores.dtype, training=True)
    rows = loss.feed(scores, np.asarray(targets), ctx)
    return rows, loss.backprop(np.asarray(weights, scores.dtype), ctx)


S = np.array([[1.0, 3.0], [2.0, 2.0]])
w = [1.0, 0.5]


def test_softmax_cross_entropy_by_hand() -> None:
    rows, d = run(make("softmax_cross_entropy"), S, [1, 0], w)
    p = 1 / (1 + math.exp(-2))  # of class 1 in row 0: e^3 / (e + e^3)
    np.testing.assert_allclose(rows, [-math.log(p), math.log(2)], rtol=1e-14)
    np.testing.assert_allclose(d, [[1 - p, p - 1], [0.5 * -0.5, 0.5 * 0.5]], rtol=1e-13)


def test_label_smoothing_by_hand() -> None:
    smooth = make({"type": "softmax_cross_entropy", "label_smoothing": 0.2})
    rows, d = run(smooth, S, [1, 0], w)
    p = 1 / (1 + math.exp(-2))
    want = -0.9 * math.log(p) - 0.1 * math.log(1 - p)
    np.testing.assert_allclose(rows, [want, math.log(2)], rtol=1e-14)
    np.testing.assert_allclose(d, [[0.9 - p, p - 0.9], [0.5 * -0.4, 0.5 * 0.4]], rtol=1e-13)


def test_sigmoid_cross_entropy_by_hand() -> None:
    rows, d = run(make("sigmoid_cross_entropy"), S, [[1, 0], [1, 1]], w)
    p1, p2, p3 = (1 / (1 + math.exp(-s)) for s in (1, 2, 3))
    want = [(-math.log(p1) - math.log(1 - p3)) / 2, -math.log(p2)]
    np.testing.assert_allclose(rows, want, rtol=1e-14)
    np.testing.assert_allclose(d, [[(p1 - 1) / 2, p3 / 2], [(p2 - 1) / 4] * 2], rtol=1e-14)


def test_smoothed_flags_by_hand() -> None:
    smooth = make({"type": "sigmoid_cross_entropy", "label_smoothing": 0.2})
    rows, d = run(smooth, S[:1, :1], [[1]], [1])
    p = 1 / (1 + math.exp(-1))
    np.testing.assert_allclose(rows, [-0.9 * math.log(p) - 0.1 * math.log(1 - p)], rtol=1e-14)
    np.testing.assert_allclose(d, [[p - 0.9]], rtol=1e-14)


def test_softmax_focal_by_hand() -> None:
    rows, d = run(make("softmax_focal"), S, [1, 0], w)
    p = 1 / (1 + math.exp(-2))
    np.testing.assert_allclose(rows, [-((1 - p) ** 2) * math.log(p), math.log(2) / 4], rtol=1e-13)
    # d loss / d p = 2 (1 - p) log p - (1 - p)^2 / p, and d p / d s_1 = p (1 - p)
    slope = (2 * (1 - p) * math.log(p) - (1 - p) ** 2 / p) * p * (1 - p)
    np.testing.assert_allclose(d[0], [-slope, slope], rtol=1e-13)


def test_sigmoid_focal_by_hand() -> None:
    focal = make({"type": "sigmoid_focal", "alpha": 0.25})
    rows, d = run(focal, S[:1], [[1, 0]], [1])
    p, q = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-3))
    yes, no = -0.25 * (1 - p) ** 2 * math.log(p), -0.75 * q**2 * math.log(1 - q)
    np.testing.assert_allclose(rows, [(yes + no) / 2], rtol=1e-13)
    slope = 0.25 * (1 - p) ** 2 * (2 * p * math.log(p) - (1 - p)) / 2
    np.testing.assert_allclose(d[0, 0], slope, rtol=1e-13)


def test_focal_losses_without_gamma_are_cross_entropy() -> None:
    for name, targets in (("softmax", np.array([1, 0])), ("sigmoid", np.array([[1, 0], [0, 1]]))):
        focal = run(make({"type": f"{name}_focal", "gamma": 0}), S, targets, w)
        plain = run(make(f"{name}_cross_entropy"), S, targets, w)
        for ours, theirs in zip(focal, plain, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-13)


def test_mae_and_quantile_by_hand() -> None:
    rows, d = run(make("mae"), S, [[0.0, 5], [2, 5]], w)
    assert rows.tolist() == [(1 + 2) / 2, 3 / 2]
    assert d.tolist() == [[0.5, -0.5], [0, -0.25]]
    rows, d = run(make({"type": "quantile", "quantile": 0.75}), S, [[0.0, 5], [2, 5]], w)
    assert rows.tolist() == [(0.25 * 1 + 0.75 * 2) / 2, 0.75 * 3 / 2]
    assert d.tolist() == [[0.125, -0.375], [0, -0.1875]]


def test_poisson_by_hand() -> None:
    rows, d = run(make("poisson"), S, [[0, 5], [2, 3]], w)
    np.testing.assert_allclose(
        rows, [(math.e + math.e**3 - 15) / 2, (2 * math.e**2 - 4 - 6) / 2], rtol=1e-14
    )
    want = [[math.e / 2, (math.e**3 - 5) / 2], [(math.e**2 - 2) / 4, (math.e**2 - 3) / 4]]
    np.testing.assert_allclose(d, want, rtol=1e-14)
    far, slope = run(make("poisson"), np.array([[30.0, 31, 1e4]], np.float32), [[0, 0, 0]], [3])
    top = math.exp(30)
    np.testing.assert_allclose(far, [top * (1 + 2 + 1e4 - 29) / 3], rtol=1e-6)
    np.testing.assert_allclose(slope, [[top] * 3], rtol=1e-6)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_is_least_at_the_quantile(quantile: float) -> None:
    targets = np.sort(np.random.default_rng(0).exponential(size=201))
    loss = make({"type": "quantile", "quantile": quantile})

    def total(at: float) -> float:
        return float(run(loss, np.full((201, 1), at), targets, np.ones(201))[0].sum())

    best = min(targets, key=total)
    assert best == np.quantile(targets, quantile, method="higher")


def test_mse_by_hand() -> None:
    rows, d = run(make("mse"), S, [[0.0, 5], [2, 5]], w)
    assert rows.tolist() == [(1 + 4) / 2, 9 / 2]
    assert d.tolist() == [[1, -2], [0, -1.5]]


def test_huber_by_hand() -> None:
    rows, d = run(make("huber"), S, [[0.5, 5], [2, 5]], w)
    assert rows.tolist() == [(0.125 + 1.5) / 2, 2.5 / 2]
    assert d.tolist() == [[0.25, -0.5], [0, -0.25]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_far_scores_of_classes(dtype: Any) -> None:
    S = np.array([[1e4, -1e4, 0]] * 3, dtype)
    with np.errstate(all="raise", under="ignore"):
        rows, d = run(make("softmax_cross_entropy"), S, [0, 1, 2], [1, 1, 1])
    assert rows.tolist() == [0, 2e4, 1e4]
    assert d.tolist() == [[0, 0, 0], [1, -1, 0], [1, 0, -1]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_far_scores_of_flags(dtype: Any, size: float) -> None:
    S = np.tile(np.array([size, -size], dtype), (2, 16))
    with np.errstate(all="raise", under="ignore"):
        rows, d = run(make("sigmoid_cross_entropy"), S, np.tile([[0, 1], [1, 0]], 16), [1, 1])
    np.testing.assert_allclose(rows, [size, 0], rtol=1e-6)
    np.testing.assert_allclose(d * 32, np.tile([[1, -1], [0, 0]], 16))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gamma", [0, 0.5, 2, 50])
def test_far_scores_of_focal_losses(dtype: Any, gamma: float) -> None:
    S = np.array([[1e4, -1e4, 0]] * 3, dtype)
    with np.errstate(all="raise", under="ignore"):
        rows, d = run(make({"type": "softmax_focal", "gamma": gamma}), S, [0, 1, 2], [1, 1, 1])
        flags = np.tile([[0, 1], [1, 0]], 2)
        sure = np.tile(np.array([1e4, -1e4], dtype), (2, 2))
        _, slope = run(make({"type": "sigmoid_focal", "gamma": gamma}), sure, flags, [1, 1])
    assert rows.tolist() == [0, 2e4, 1e4]
    assert d.tolist() == [[0, 0, 0], [1, -1, 0], [1, 0, -1]]
    np.testing.assert_allclose(slope * 4, np.tile([[1, -1], [0, 0]], 2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_far_numbers(dtype: Any) -> None:
    S, t = np.array([[1e4], [-1e4]], dtype), np.zeros((2, 1))
    with np.errstate(all="raise", under="ignore"):
        mse, d_mse = run(make("mse"), S, t, [1, 1])
        huber, d_huber = run(make("huber"), S, t, [1, 1])
    assert mse.tolist() == [1e8, 1e8]
    assert d_mse.tolist() == [[2e4], [-2e4]]
    assert huber.tolist() == [9999.5, 9999.5]
    assert d_huber.tolist() == [[1], [-1]]


def test_small_losses_keep_their_digits() -> None:
    S = np.array([[30.0, 0]])
    assert run(make("sigmoid_cross_entropy"), S[:, :1], [[1]], [1])[0][0] == pytest.approx(
        math.exp(-30), rel=1e-9, abs=0
    )


@pytest.mark.parametrize("config", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 3), (4, 1), (1, 4), (7, 7)])
class TestContract:
    def test_shapes_dtypes_and_untouched_inputs(
        self, config: str | dict[str, Any], dtype: Any, shape: tuple[int, int]
    ) -> None:
        loss = make(config)
        scores = np.random.default_rng(0).normal(size=shape).astype(dtype)
        targets, weights = targets_for(loss, *shape), np.linspace(0.5, 1, shape[0])
        before = scores.copy(), targets.copy(), weights.copy()
        ctx = Context(dtype, training=True)
        rows = loss.feed(scores, targets, ctx)
        d = loss.backprop(weights, ctx)  # float64 weights must not promote
        assert rows.shape == shape[:1]
        assert d.shape == shape
        assert rows.dtype == d.dtype == dtype
        for now, was in zip((scores, targets, weights), before, strict=True):
            np.testing.assert_array_equal(now, was)

    def test_gradient_keeps_memory_order_and_value(
        self, config: str | dict[str, Any], dtype: Any, shape: tuple[int, int]
    ) -> None:
        loss = make(config)
        C = np.random.default_rng(0).normal(size=shape).astype(dtype)
        F = np.asfortranarray(C)
        targets, weights = targets_for(loss, *shape), np.linspace(0.5, 1, shape[0])
        rows_C, d_C = run(loss, C, targets, weights)
        rows_F, d_F = run(loss, F, targets, weights)
        assert d_C.flags.c_contiguous
        assert d_F.flags.f_contiguous
        np.testing.assert_allclose(rows_C, rows_F, rtol=1e-6)
        np.testing.assert_allclose(d_C, d_F, rtol=1e-5, atol=1e-7)

    def test_backprop_can_be_asked_twice_and_contexts_do_not_mix(
        self, config: str | dict[str, Any], dtype: Any, shape: tuple[int, int]
    ) -> None:
        loss, (one, two) = make(config), (Context(dtype), Context(dtype))
        scores = np.random.default_rng(0).normal(size=shape).astype(dtype)
        targets, weights = targets_for(loss, *shape), np.ones(shape[0], dtype)
        loss.feed(scores, targets, one)
        first = loss.backprop(weights, one).copy()
        loss.feed(-scores, targets, two)
        loss.backprop(weights, two)
        np.testing.assert_array_equal(loss.backprop(weights, one), first)


@pytest.mark.parametrize("name", ["mse", "huber", "mae", "quantile", "poisson"])
def test_a_column_of_numbers_may_come_flat_but_no_other_shape(name: str) -> None:
    S = np.array([[1.0], [2.0]])
    flat, column = (run(make(name), S, np.zeros(shape), [1, 1]) for shape in [2, (2, 1)])
    np.testing.assert_array_equal(flat[0], column[0])
    with pytest.raises(ValueError, match="reshape"):
        run(make(name), S, np.zeros((2, 2)), [1, 1])


@pytest.mark.parametrize("config", SETTINGS, ids=str)
def test_settings_and_documentation(config: str | dict[str, Any]) -> None:
    part = make(config)
    cls = type(part)
    assert cls(**part.config).config == part.config
    assert part.target in {"class", "binary", "real"}
    assert part.link in {"softmax", "sigmoid", "identity", "exp"}
    text = inspect.getdoc(inspect.getmodule(cls)) or ""
    for word in ("loss    = ", "dscores = ", "Source: ", "(n, k)"):
        assert word in text


@pytest.mark.parametrize("config", SETTINGS, ids=str)
def test_same_as_torch(config: str | dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="torch, the other implementation, is optional")
    F, loss = torch.nn.functional, make(config)
    scores = np.random.default_rng(1).normal(size=(6, 4)) * 5
    targets, weights = targets_for(loss, 6, 4), np.linspace(0.2, 2, 6)
    x = torch.tensor(scores, requires_grad=True)
    t = torch.tensor(targets if loss.target == "class" else targets.astype(float))
    c = loss.config

    def focal(x: Any, t: Any) -> Any:  # the paper's equations 4 and 5, by autograd
        if loss.target == "class":
            p = F.softmax(x, 1)[torch.arange(6), t]
            return -((1 - p) ** c["gamma"]) * p.log()
        p = torch.where(t == 1, torch.sigmoid(x), 1 - torch.sigmoid(x))
        alpha = c["alpha"]
        a = 1 if alpha is None else torch.where(t == 1, alpha, 1 - alpha)
        return -a * (1 - p) ** c["gamma"] * p.log()

    def smoothed(x: Any, t: Any) -> Any:
        a = c["label_smoothing"]
        return F.binary_cross_entropy_with_logits(x, t * (1 - a) + a / 2, reduction="none")

    def pinball(x: Any, t: Any) -> Any:
        q = c["quantile"]
        return torch.maximum(q * (t - x), (q - 1) * (t - x))

    peers: dict[str, Any] = {
        "softmax_cross_entropy": partial(F.cross_entropy, reduction="none", **c),
        "sigmoid_cross_entropy": smoothed,
        "mse": partial(F.mse_loss, reduction="none"),
        "huber": partial(F.huber_loss, reduction="none", **c),
        "mae": partial(F.l1_loss, reduction="none"),
        "quantile": pinball,
        "poisson": partial(F.poisson_nll_loss, reduction="none"),
        "softmax_focal": focal,
        "sigmoid_focal": focal,
    }
    rows = peers[loss.type_name](x, t).reshape(6, -1).mean(1)
    (rows * torch.tensor(weights)).sum().backward()
    ours, d = run(loss, scores, targets, weights)
    np.testing.assert_allclose(ours, rows.detach().numpy(), rtol=1e-12)
    if "focal" in loss.type_name:  # its 1 - p has lost digits where p is nearly 1
        np.testing.assert_allclose(d, x.grad.numpy(), rtol=1e-10, atol=1e-12)
        return
    np.testing.assert_allclose(d, x.grad.numpy(), rtol=1e-11, atol=1e-15)
