"""Layers over sequences against PyTorch's layers or its autograd, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Array, Context
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import LAYERS

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: no reference")

STEPS, FEATURES, N = 7, 3, 5


def network_of(kind: str, **settings: Any) -> Network:
    planned = plan_layers([("l", LAYERS[kind](**settings))], (STEPS, FEATURES))
    network = Network(planned, np.dtype(np.float64))
    network.allocate_grads()
    rng = np.random.default_rng(0)
    network.params[:] = rng.normal(0, 0.6, network.params.shape)
    return network


def passed(network: Network) -> tuple[Array, Array, Array, Array, dict[str, Array]]:
    """x, dy, and of the layer y, dx and the gradients."""
    layer = network.layers[0]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, STEPS, FEATURES))
    ctx = Context(np.float64, training=True)
    y = layer.feed(x, ctx)
    dy = rng.normal(size=y.shape)
    return x, dy, y, layer.backprop(dy, ctx), dict(layer.grads)


def leaf(value: Any) -> Any:
    return torch.tensor(np.array(value), dtype=torch.float64, requires_grad=True)


def assert_close(found: Array, wanted: Any) -> None:
    wanted = wanted.detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10 * np.abs(wanted).max())


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize("use_bias", [False, True])
def test_gru(*, sequence: bool, use_bias: bool) -> None:
    network = network_of("gru", units=4, sequence=sequence, use_bias=use_bias)
    p = network.layers[0].params
    x, dy, y, dx, grads = passed(network)
    theirs = torch.nn.GRU(FEATURES, 4, bias=use_bias, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(torch.tensor(p["W"].T.copy()))
        theirs.weight_hh_l0.copy_(torch.tensor(p["U"].T.copy()))
        if use_bias:
            theirs.bias_ih_l0.copy_(torch.tensor(p["b"].copy()))
            theirs.bias_hh_l0.copy_(torch.cat([torch.zeros(8), torch.tensor(p["c"].copy())]))
    given = leaf(x)
    out = theirs(given)[0] if sequence else theirs(given)[1][0]
    out.backward(torch.tensor(dy))
    assert_close(y, out)
    assert_close(dx, given.grad)
    assert_close(grads["W"].T, theirs.weight_ih_l0.grad)
    assert_close(grads["U"].T, theirs.weight_hh_l0.grad)
    if use_bias:
        assert_close(grads["b"], theirs.bias_ih_l0.grad)
        assert_close(grads["c"], theirs.bias_hh_l0.grad[8:])


def recurrent_highway(x: Any, p: dict[str, Any], *, depth: int, units: int) -> Any:
    """Equations 6 to 8 of arXiv 1607.03474, with c = 1 - t; all y."""
    s = torch.zeros(len(x), units, dtype=torch.float64)
    WH, WT = p["W"].split(units, dim=1)
    ys = []
    for step in range(STEPS):
        for j in range(1, depth + 1):
            RH, RT = p[f"R{j}"].split(units, dim=1)
            xH, xT = (x[:, step] @ WH, x[:, step] @ WT) if j == 1 else (0, 0)
            h = torch.tanh(xH + s @ RH + p.get(f"bH{j}", 0))
            t = torch.sigmoid(xT + s @ RT + p[f"bT{j}"])
            s = h * t + s * (1 - t)
        ys.append(s)
    return torch.stack(ys, dim=1)


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize(("depth", "use_bias"), [(1, True), (3, False), (3, True)])
def test_highway_rnn(depth: int, *, sequence: bool, use_bias: bool) -> None:
    settings = {"units": 4, "depth": depth, "sequence": sequence, "use_bias": use_bias}
    network = network_of("highway_rnn", **settings)
    p = {name: leaf(value) for name, value in network.layers[0].params.items()}
    x, dy, y, dx, grads = passed(network)
    given = leaf(x)
    out = recurrent_highway(given, p, depth=depth, units=4)
    out = out if sequence else out[:, -1]
    out.backward(torch.tensor(dy))
    assert_close(y, out)
    assert_close(dx, given.grad)
    for name, value in grads.items():
        assert_close(value, p[name].grad)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("heads", "use_bias"), [(1, True), (3, True), (3, False)])
def test_attention(heads: int, *, causal: bool, use_bias: bool) -> None:
    network = network_of("attention", heads=heads, causal=causal, use_bias=use_bias)
    p = network.layers[0].params
    x, dy, y, dx, grads = passed(network)
    kind = {"bias": use_bias, "batch_first": True, "dtype": torch.float64}
    theirs = torch.nn.MultiheadAttention(FEATURES, heads, **kind)
    with torch.no_grad():
        joined = np.concatenate([p["WQ"], p["WK"], p["WV"]], axis=1)
        theirs.in_proj_weight.copy_(torch.tensor(joined.T.copy()))
        theirs.out_proj.weight.copy_(torch.tensor(p["WO"].T.copy()))
        if use_bias:
            joined = np.concatenate([p["bQ"], 0 * p["bQ"], p["bV"]])
            theirs.in_proj_bias.copy_(torch.tensor(joined))
            theirs.out_proj.bias.copy_(torch.tensor(p["bO"].copy()))
    given = leaf(x)
    mask = torch.tensor(~np.tri(STEPS, dtype=bool)) if causal else None
    out, _ = theirs(given, given, given, attn_mask=mask, need_weights=False)
    out.backward(torch.tensor(dy))
    assert_close(y, out)
    assert_close(dx, given.grad)
    parts = theirs.in_proj_weight.grad.chunk(3)
    for name, wanted in zip("QKV", parts, strict=True):
        assert_close(grads[f"W{name}"].T, wanted)
    assert_close(grads["WO"].T, theirs.out_proj.weight.grad)
    if use_bias:
        bQ, _, bV = theirs.in_proj_bias.grad.chunk(3)
        assert_close(grads["bQ"], bQ)
        assert_close(grads["bV"], bV)
        assert_close(grads["bO"], theirs.out_proj.bias.grad)
