"""Dense, highway and projection against PyTorch's autograd, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import LAYERS, LOSSES, OPTIMIZERS

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: no reference")

Tensors = dict[str, Any]

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "relu": torch.relu,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01),
    "elu": torch.nn.functional.elu,
    "selu": torch.selu,
    "gelu": lambda z: torch.nn.functional.gelu(z),
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": torch.nn.functional.softplus,
    "mish": torch.nn.functional.mish,
    "softsign": torch.nn.functional.softsign,
    "hard_sigmoid": lambda z: torch.nn.functional.relu6(z + 3) / 6,  # whose own rounds to float32
    "relu6": torch.nn.functional.relu6,
}


def dense(x: Any, p: Tensors, f: Any, fA: Any) -> Any:
    return f(x @ p["W"] + p["b"])


def highway(x: Any, p: Tensors, f: Any, fA: Any) -> Any:
    T = torch.sigmoid(x @ p["WT"] + p["bT"])
    return T * f(x @ p["WH"] + p["bH"]) + (1 - T) * x


def projection(x: Any, p: Tensors, f: Any, fA: Any) -> Any:
    T = torch.sigmoid(x @ p["WT"] + p["bT"])
    return T * f(x @ p["WH"] + p["bH"]) + (1 - T) * fA(x @ p["WA"] + p["bA"])


KINDS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "dense": (dense, {"units": 4}),
    "highway": (highway, {}),
    "projection": (projection, {"units": 4}),
}


def network_of(kind: str, **settings: Any) -> Network:
    layer = LAYERS[kind](**settings)
    network = Network(plan_layers([("l", layer)], (5,)), np.dtype(np.float64))
    network.allocate_grads()
    rng = np.random.default_rng(0)
    for param in layer.params.values():
        param[...] = rng.standard_normal(param.shape)
    return network


def leaf(a: Array) -> Any:
    return torch.tensor(np.ascontiguousarray(a), dtype=torch.float64, requires_grad=True)


def test_every_installed_activation_has_a_reference() -> None:
    from layerkit.discovery.registry import REGISTRIES

    own = {n for n in REGISTRIES["activations"].names() if "." not in n}
    assert own == set(ACTIVATIONS)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_feed_and_every_gradient(kind: str, activation: str) -> None:
    formula, settings = KINDS[kind]
    if kind == "projection":
        settings = {**settings, "carry_activation": activation}
    network = network_of(kind, activation=activation, **settings)
    (layer,) = network.layers
    rng = np.random.default_rng(1)
    x = rng.standard_normal((7, 5))
    dy = rng.standard_normal((7, *network.planned[0].plan.out_shape))

    contexts = network.contexts(wants_dx=True)
    y = network.feed(x, contexts).copy()
    dx = network.backprop(dy, contexts)

    params = {name: leaf(p) for name, p in layer.params.items()}
    rows = leaf(x)
    f = ACTIVATIONS[activation]
    wanted = formula(rows, params, f, f)
    wanted.backward(torch.tensor(dy))

    np.testing.assert_allclose(y, wanted.detach().numpy(), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(dx, rows.grad.numpy(), rtol=1e-10, atol=1e-11)
    for name, param in params.items():
        np.testing.assert_allclose(
            layer.grads[name], param.grad.numpy(), rtol=1e-10, atol=1e-11, err_msg=name
        )


def test_a_training_run_takes_the_same_steps() -> None:
    """A whole net, cross-entropy, Adam, 20 full-batch steps."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((30, 5))
    y = rng.integers(0, 3, 30)
    spec = {
        "layerkit": 1,
        "dtype": "float64",
        "input": {"shape": [5]},
        "layers": [
            {"type": "dense", "units": 6, "activation": "tanh"},
            {"type": "highway", "activation": "tanh", "gate_bias": -1.0},
            {"type": "projection", "units": 4, "activation": "relu"},
            {"type": "dense", "units": 3},
        ],
        "output": {"classes": [0, 1, 2]},
    }
    model = layerkit.build(spec)
    network = model.network
    rule, loss = OPTIMIZERS.create({"type": "adam", "learning_rate": 0.01}), None
    loss = LOSSES.create("softmax_cross_entropy")
    rule.bind(network.params, network.allocate_grads(), network.decay_mask())

    named = {name: leaf(a) for name, (_, a) in network.tensors().items()}
    adam = torch.optim.Adam(list(named.values()), lr=0.01)
    contexts, ctx = network.contexts(training=True), Context(np.float64, training=True)

    def part(name: str) -> Tensors:
        return {k.split(".")[1]: v for k, v in named.items() if k.startswith(f"{name}.")}

    for _ in range(20):
        losses = loss.feed(network.feed(x, contexts), y, ctx)
        network.backprop(loss.backprop(np.full(30, 1 / 30), ctx), contexts)
        rule.begin(0.01)
        network.update(rule)

        adam.zero_grad()
        h = dense(torch.tensor(x), part("dense_1"), torch.tanh, None)
        h = highway(h, part("highway_1"), torch.tanh, None)
        h = projection(h, part("projection_1"), torch.relu, torch.tanh)
        h = dense(h, part("dense_2"), lambda z: z, None)
        wanted = torch.nn.functional.cross_entropy(h, torch.tensor(y))
        wanted.backward()
        adam.step()
        assert float(losses.mean()) == pytest.approx(wanted.item(), rel=1e-8)
    for name, (_, array) in network.tensors().items():
        np.testing.assert_allclose(array, named[name].detach().numpy(), rtol=1e-6, atol=1e-8)
