"""Networks of plain layers, and the same passes replayed layer by layer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerkit import Layer, Param, Plan
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer, plan_layers
from layerkit.recording.record import Recording, record
from layerkit.recording.replay import replay

Array = Any


class Plain(Layer):
    """A layer from two functions: ``feed(p, x, ctx)`` and ``backprop(p, grads, dy, ctx)``."""

    contract_version = 2
    type_name = "plain"

    def __init__(
        self,
        feed: Callable[..., Array],
        backprop: Callable[..., Array],
        *,
        params: dict[str, tuple[int, ...]] | None = None,
        state: dict[str, tuple[int, ...]] | None = None,
        out: tuple[int, ...] | None = None,
    ) -> None:
        self._steps = feed, backprop
        self._arrays = params or {}, state or {}
        self._out = out

    def plan(self, in_shape: tuple[int, ...]) -> Plan:
        params, state = ({k: Param(s) for k, s in group.items()} for group in self._arrays)
        return Plan(self._out or in_shape, params, state)

    def feed(self, x: Array, ctx: Any) -> Array:
        return self._steps[0](self, x, ctx)

    def backprop(self, dy: Array, ctx: Any) -> Array:
        return self._steps[1](self, dy, ctx)


def dense(units: int, inputs: int, slope: str = "relu") -> Plain:
    """y = f(x W + b)."""

    def feed(layer: Any, x: Array, ctx: Any) -> Array:
        z = x @ layer.params["W"] + layer.params["b"]
        y = np.maximum(z, 0) if slope == "relu" else np.tanh(z) if slope == "tanh" else z
        ctx.save(x, y)
        return y

    def backprop(layer: Any, dy: Array, ctx: Any) -> Array:
        x, y = ctx.saved
        d = dy * (y > 0) if slope == "relu" else dy * (1 - y * y) if slope == "tanh" else dy
        layer.grads["W"], layer.grads["b"] = x.T @ d, d.sum(axis=0)
        return d @ layer.params["W"].T

    return Plain(feed, backprop, params={"W": (inputs, units), "b": (units,)}, out=(units,))


def highway(d: int, *, bias: bool = True) -> Plain:
    """y = T H + (1 - T) x."""

    def feed(layer: Any, x: Array, ctx: Any) -> Array:
        p = layer.params
        a = x @ p["WH"] + p["bH"] if bias else x @ p["WH"]
        H = np.maximum(a, 0)
        C = 1 / (1 + np.exp(x @ p["WT"] + p["bT"]))
        P = C * (H - x)
        ctx.save(x, H, C, P)
        return H - P

    def backprop(layer: Any, dy: Array, ctx: Any) -> Array:
        x, H, C, P = ctx.saved
        p, grads = layer.params, layer.grads
        gC = dy * C
        gH = dy - gC
        dT = gH * P
        dH = gH * (H > 0)
        grads["WH"], grads["WT"] = x.T @ dH, x.T @ dT
        grads["bT"] = dT.sum(axis=0)
        if bias:
            grads["bH"] = dH.sum(axis=0)
        return dH @ p["WH"].T + dT @ p["WT"].T + gC

    params = {"WH": (d, d), "WT": (d, d), "bH": (d,), "bT": (d,)}
    if not bias:
        del params["bH"]
    return Plain(feed, backprop, params=params)


def network(layers: Sequence[Layer], in_shape: tuple[int, ...], dtype: Any) -> Network:
    """The layers with numbers of their own."""
    twins = [(f"l{i}", copy.copy(layer)) for i, layer in enumerate(layers)]
    planned = plan_layers(twins, in_shape)
    made = Network(planned, np.dtype(dtype))
    numbers = np.random.default_rng(3)
    made.params[...] = numbers.standard_normal(made.size) * 0.3
    for p in planned:
        for array in p.layer.state.values():
            array[...] = numbers.random(array.shape)
    made.allocate_grads()[...] = np.nan
    return made


Members = list[tuple[PlannedLayer, Recording]]


def recorded(net: Network, *, keeps: bool = True, training: bool = True) -> Members:
    """The layers with their recordings; copies of one layer share one."""
    known: dict[Any, Recording] = {}
    members: Members = []
    for p in net.planned:
        key = id(p.layer._steps), p.in_shape  # type: ignore[attr-defined]  # a Plain
        if key not in known:
            known[key] = record(
                p.layer, p.in_shape, net.dtype, training=training, keeps=keeps, plan=p.plan
            )
        members.append((p, known[key]))
    return members


class Passed:
    """What a pass gives, layer by layer, replayed: y, dx, grads and the new states."""

    def __init__(
        self, members: Members, x: Array, dy: Array, streams: dict[str, np.random.Generator]
    ) -> None:
        n, xs = len(x), [x]
        self.grads: dict[str, Array] = {}
        self.state: dict[str, Array] = {}
        states = {p.name: {k: v.copy() for k, v in p.layer.state.items()} for p, _ in members}
        begin = {name: stream.bit_generator.state for name, stream in streams.items()}
        dys = [dy]

        def run(p: PlannedLayer, recording: Recording, x: Array, dy: Array) -> Any:
            stream = streams.get(p.name)
            if stream is not None:
                stream.bit_generator.state = begin[p.name]
            return replay(
                recording,
                {"x": x, "dy": dy},
                n,
                params=p.layer.params,
                state=states[p.name],
                rng=stream,
            )

        for p, recording in members:
            zeros = np.zeros((n, *p.plan.out_shape), x.dtype)
            xs.append(run(p, recording, xs[-1], zeros).y)
        self.y = xs[-1]
        for (p, recording), given in zip(members[::-1], xs[-2::-1], strict=True):
            made = run(p, recording, given, dys[-1])
            self.grads |= {f"{p.name}.{k}": v for k, v in made.grads.items()}
            self.state |= {f"{p.name}.{k}": v for k, v in made.state.items()}
            dys.append(made.dx)
        self.dx = dys[-1]
