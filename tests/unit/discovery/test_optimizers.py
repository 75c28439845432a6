"""Optimizers: against the published formulas, one number at a time in Python floats."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from layerkit import Array, Optimizer
from layerkit.discovery.registry import REGISTRIES
from layerkit.recording.record import record_rule

NAMES = REGISTRIES["optimizers"].names()
Step = Callable[[float, float, float, int], float]


def make(config: str | dict[str, Any]) -> Optimizer:
    part: Optimizer = REGISTRIES["optimizers"].create(config)
    return part


def sgd() -> Step:
    return lambda p, g, eta, t: p - eta * g


def momentum(mu: float = 0.9, ahead: bool = False) -> Step:
    v = 0.0

    def step(p: float, g: float, eta: float, t: int) -> float:
        nonlocal v
        v = mu * v + g
        return p - eta * (g + mu * v if ahead else v)

    return step


def adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, decay: float = 0.0) -> Step:
    m = v = 0.0

    def step(p: float, g: float, eta: float, t: int) -> float:
        nonlocal m, v
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        p -= eta * decay * p
        return p - eta * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + eps)

    return step


def rmsprop(rho: float = 0.9, eps: float = 1e-8) -> Step:
    v = 0.0

    def step(p: float, g: float, eta: float, t: int) -> float:
        nonlocal v
        v = rho * v + (1 - rho) * g * g
        return p - eta * g / (math.sqrt(v) + eps)

    return step


def adagrad(eps: float = 1e-10) -> Step:
    s = 0.0

    def step(p: float, g: float, eta: float, t: int) -> float:
        nonlocal s
        s += g * g
        return p - eta * g / (math.sqrt(s) + eps)

    return step


def nadam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Step:
    m = v = 0.0

    def step(p: float, g: float, eta: float, t: int) -> float:
        nonlocal m, v
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        ahead = b1 * m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
        return p - eta * ahead / (math.sqrt(v / (1 - b2**t)) + eps)

    return step


def adabelief(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-16) -> Step:
    m = s = 0.0

    def step(p: float, g: float, eta: float, t: int) -> float:
        nonlocal m, s
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps
        return p - eta * (m / (1 - b1**t)) / (math.sqrt(s / (1 - b2**t)) + eps)

    return step


def lion(b1: float = 0.9, b2: float = 0.99) -> Step:
    m = 0.0

    def step(p: float, g: float, eta: float, t: int) -> float:
        nonlocal m
        blend = b1 * m + (1 - b1) * g
        m = b2 * m + (1 - b2) * g
        return p - eta * ((blend > 0) - (blend < 0))

    return step


def shrunk(make_step: Callable[[], Step], decay: float) -> Callable[[], Step]:
    """The step after decoupled weight decay."""

    def made() -> Step:
        step = make_step()
        return lambda p, g, eta, t: step(p - eta * decay * p, g, eta, t)

    made.__name__ = f"shrunk_{getattr(make_step, '__name__', 'ahead')}"
    return made


CASES: list[tuple[dict[str, Any], Callable[[], Step]]] = [
    ({"type": "sgd"}, sgd),
    ({"type": "momentum"}, momentum),
    ({"type": "momentum", "momentum": 0.5}, lambda: momentum(0.5)),
    ({"type": "nesterov"}, lambda: momentum(ahead=True)),
    ({"type": "nesterov", "momentum": 0.5}, lambda: momentum(0.5, ahead=True)),
    ({"type": "adam"}, adam),
    (
        {"type": "adam", "beta1": 0, "beta2": 0.5, "epsilon": 0.1},
        lambda: adam(0, 0.5, 0.1),
    ),
    ({"type": "adamw"}, lambda: adam(decay=0.01)),
    ({"type": "adamw", "weight_decay": 0.5, "epsilon": 1}, lambda: adam(eps=1, decay=0.5)),
    ({"type": "rmsprop"}, rmsprop),
    ({"type": "rmsprop", "rho": 0.5, "epsilon": 0.1}, lambda: rmsprop(0.5, 0.1)),
    ({"type": "adagrad"}, adagrad),
    ({"type": "adagrad", "epsilon": 0.1}, lambda: adagrad(0.1)),
    ({"type": "nadam"}, nadam),
    ({"type": "nadam", "beta1": 0, "beta2": 0.5, "epsilon": 0.1}, lambda: nadam(0, 0.5, 0.1)),
    ({"type": "nadam", "beta1": 0.6}, lambda: nadam(0.6)),
    ({"type": "adabelief"}, adabelief),
    (
        {"type": "adabelief", "beta1": 0.5, "beta2": 0.6, "epsilon": 0.1},
        lambda: adabelief(0.5, 0.6, 0.1),
    ),
    ({"type": "lion"}, lion),
    ({"type": "lion", "beta1": 0.5, "beta2": 0.6}, lambda: lion(0.5, 0.6)),
    ({"type": "data_parallel"}, adam),
    ({"type": "data_parallel", "optimizer": "momentum"}, momentum),
]
PLAIN: dict[str, Callable[[], Step]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": partial(momentum, ahead=True),
    "adam": adam,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "nadam": nadam,
    "adabelief": adabelief,
    "lion": lion,
}
CASES += [({"type": name, "weight_decay": 0.3}, shrunk(step, 0.3)) for name, step in PLAIN.items()]
RATES = [0.1 / (1 + 0.3 * t) for t in range(12)]  # a falling schedule


def gradients() -> Iterator[Array]:
    rng = np.random.default_rng(5)
    for _ in RATES:
        yield rng.normal(size=7) * np.geomspace(1e-6, 1e3, 7)


def bound(config: str | dict[str, Any], p: Array) -> tuple[Optimizer, Array]:
    rule, g = make(config), np.empty_like(p)
    rule.bind(p, g)
    return rule, g


def test_every_optimizer_of_layerkit_has_a_reference() -> None:
    own = {n for n in NAMES if REGISTRIES["optimizers"].candidates(n)[0].dist == "layerkit"}
    assert own == {config["type"] for config, _ in CASES}


@pytest.mark.parametrize(
    ("config", "reference"), CASES, ids=lambda c: str(c)[:60] if isinstance(c, dict) else c.__name__
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_follows_the_published_formula(
    config: dict[str, Any], reference: Callable[[], Step], dtype: Any
) -> None:
    p = np.linspace(-1, 1, 7).astype(dtype)
    rule, g = bound(config, p)
    numbers, steps = [float(v) for v in p], [reference() for _ in range(7)]
    for t, (rate, grad) in enumerate(zip(RATES, gradients(), strict=True), start=1):
        g[:] = grad
        now = [float(v) for v in g]
        rule.begin(rate)
        rule.apply(slice(0, 7))
        numbers = [f(q, v, rate, t) for f, q, v in zip(steps, numbers, now, strict=True)]
        scale = np.maximum(1, np.abs(numbers))
        assert np.max(np.abs(p - numbers) / scale) < (1e-12 if dtype is np.float64 else 5e-6)
    assert p.dtype == dtype
    assert all(slot.dtype == dtype for slot in rule.slots.values())


def test_two_steps_by_hand() -> None:
    p = np.array([[1.0, 2], [3, 4]]).ravel()
    rule, g = bound({"type": "momentum", "momentum": 0.5}, p)
    for _ in range(2):
        g[:] = [1, 0, -1, 2]
        rule.begin(0.1)
        rule.apply(slice(0, 4))
    np.testing.assert_allclose(p, [1 - 0.1 - 0.15, 2, 3.25, 4 - 0.2 - 0.3])


def test_first_step_of_adam_is_the_rate_against_the_sign() -> None:
    p = np.zeros(3)
    rule, g = bound("adam", p)
    g[:] = [1e-3, -5, 1e6]
    rule.begin(0.01)
    rule.apply(slice(0, 3))
    np.testing.assert_allclose(p, [-0.01, 0.01, -0.01], rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_decay_reaches_weights_but_not_moments_and_follows_the_mask(name: str) -> None:
    p = np.array([1.0, -2.0])
    config: dict[str, Any] = {"type": name, "weight_decay": 0.1}
    if name == "data_parallel":  # its step is that of another one
        config = {"type": name, "optimizer": {"type": "adam", "weight_decay": 0.1}}
    rule, g = bound(config, p)
    g[:] = 0
    rule.begin(0.5)
    rule.apply(slice(0, 2))
    np.testing.assert_allclose(p, [0.95, -1.9])
    moments = [slot for slot in rule.slots.values() if name != "adabelief"]  # epsilon is in its s
    assert not any(slot.any() for slot in moments)
    rule.bind(p, g, np.array([0.0, 1.0]))
    rule.begin(0.5)
    rule.apply(slice(0, 2))
    np.testing.assert_allclose(p, [0.95, -1.9 * 0.95])


@pytest.mark.parametrize("name", NAMES)
def test_converges_on_a_quadratic(name: str) -> None:
    """L = sum a (p - 3)^2 / 2 with curvatures 1 to 10."""
    a, p = np.linspace(1, 10, 5), np.zeros(5)
    first = 1.0 if name == "adagrad" else 0.1  # whose steps become smaller by themselves
    rule, g = bound({"type": name, "learning_rate": first}, p)
    for t in range(600):
        g[:] = a * (p - 3)
        rule.begin(rule.learning_rate * 0.99**t)
        rule.apply(slice(0, 5))
    np.testing.assert_allclose(p, 3, atol=0.02)  # adamw's decay pulls a little towards 0


@pytest.mark.parametrize("name", NAMES)
def test_the_bound_state_starts_afresh_and_only_the_span_changes(name: str) -> None:
    p = np.ones(10, np.float32)
    rule, g = bound(name, p)
    g[:] = 1
    rule.begin(0.1)
    rule.apply(slice(2, 6))
    assert (p[:2] == 1).all()
    assert (p[6:] == 1).all()
    assert (p[2:6] < 1).all()
    rule.bind(p, g)
    assert rule.steps == 0
    assert set(rule.slots) == set(rule.slot_names)
    assert not any(slot.any() for slot in rule.slots.values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.0, 1e-25, 1e15])
def test_no_overflow_for_gradients_of_any_size(name: str, dtype: Any, size: float) -> None:
    p = np.ones(40, dtype)
    rule, g = bound(name, p)
    with np.errstate(all="raise", under="ignore"):
        for _ in range(5):
            g[:] = size
            rule.begin(0.01)
            rule.apply(slice(0, 40))
    assert np.isfinite(p).all()


@pytest.mark.parametrize("name", NAMES)
def test_blocks_do_not_show(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def result() -> Array:
        p = np.linspace(-1, 1, 20)
        rule, g = bound(name, p)
        for _ in range(3):
            g[:] = np.cos(np.arange(20))
            rule.begin(0.1)
            rule.apply(slice(0, 20))
        return p

    whole = result()
    monkeypatch.setattr(Optimizer, "block", 6)
    np.testing.assert_array_equal(result(), whole)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"adamw"}))
def test_no_decay_is_the_default_and_costs_nothing(name: str) -> None:
    rule = make(name)
    assert rule.weight_decay == 0
    graph = record_rule(rule, np.float32).graph
    assert "decay" not in [node.args[0] for node in graph.nodes() if node.op == "input"]


@pytest.mark.parametrize("config", [c for c, _ in CASES], ids=str)
def test_settings_and_documentation(config: dict[str, Any]) -> None:
    part = make(config)
    cls = type(part)
    assert cls(**part.config).config == part.config
    assert "learning_rate" in part.config
    text = inspect.getdoc(inspect.getmodule(cls)) or ""
    assert "p := " in text
    assert "Source: " in text


@pytest.fixture
def torch() -> Iterator[Any]:
    module = pytest.importorskip("torch", reason="torch, the other implementation, is optional")
    module.set_default_dtype(module.float64)  # also of what its optimizers count with
    yield module
    module.set_default_dtype(module.float32)


@pytest.mark.parametrize(
    "config",
    [c for c, _ in CASES if c["type"] not in ("adabelief", "lion", "data_parallel")],
    ids=str,
)  # which PyTorch does not have
def test_same_as_torch(config: dict[str, Any], torch: Any) -> None:
    name, c = config["type"], make(config).config
    p = np.linspace(-1, 1, 7)
    x = torch.nn.Parameter(torch.tensor(p.copy()))
    adams: dict[str, Any] = {}
    if "beta2" in c and "epsilon" in c:
        adams = {"betas": (float(c["beta1"]), float(c["beta2"])), "eps": c["epsilon"]}
    decay, eps = c["weight_decay"], c.get("epsilon")
    peers = {
        "sgd": lambda: torch.optim.SGD([x]),
        "momentum": lambda: torch.optim.SGD([x], momentum=c["momentum"]),
        "nesterov": lambda: torch.optim.SGD([x], momentum=c["momentum"], nesterov=True),
        "adam": lambda: torch.optim.AdamW([x], **adams, weight_decay=decay),
        "adamw": lambda: torch.optim.AdamW([x], **adams, weight_decay=decay),
        "rmsprop": lambda: torch.optim.RMSprop([x], alpha=c["rho"], eps=eps),
        "adagrad": lambda: torch.optim.Adagrad([x], eps=eps),
        # so large a momentum_decay leaves beta1 as it is from the first step on
        "nadam": lambda: torch.optim.NAdam(
            [x], **adams, momentum_decay=1e9, weight_decay=decay, decoupled_weight_decay=True
        ),
    }
    peer = peers[name]()
    apart = 0 if name in ("adam", "adamw", "nadam") else decay  # the others of torch have L2 alone
    rule, g = bound(config, p)
    for rate, grad in zip(RATES, gradients(), strict=True):
        g[:] = grad
        x.grad = torch.tensor(grad)
        peer.param_groups[0]["lr"] = rate
        with torch.no_grad():
            x.mul_(1 - rate * apart)
        peer.step()
        rule.begin(rate)
        rule.apply(slice(0, 7))
        np.testing.assert_allclose(p, x.detach().numpy(), rtol=1e-10, atol=1e-12)
