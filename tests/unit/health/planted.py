"""Specs, rows and parts for the tests of the doctor."""

from __future__ import annotations

from typing import Any

import numpy as np

import layerkit
from layerkit import Array, Context, Diagnosis, Initializer, Layer, Param, Plan, Shape

DENSE = {"type": "dense", "units": 32, "activation": "tanh"}
HIGHWAY = {"type": "highway", "activation": "tanh", "gate_bias": -2.0}
OUTPUT = {"type": "dense", "units": 10}


def digits_spec(layers: list[dict[str, Any]], **train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "input": {"shape": [64], "scale": {"divide": 16}},
        "layers": layers,
        "output": {"classes": list("0123456789")},
        "train": {
            "data": "digits",
            "epochs": 3,
            "optimizer": {"type": "adam", "learning_rate": 0.003},
            **train,
        },
    }


def table(rows: int, seed: int = 0) -> dict[str, Any]:
    """Three columns of size 1, and an answer that two of them decide, up to noise."""
    rng = np.random.default_rng(seed)
    a, b, c, noise = rng.standard_normal((4, rows))
    y = np.where(a + b * b - 1 + 0.3 * noise > 0, "yes", "no")
    return {"a": a, "b": b, "c": c, "y": y}


def table_spec(
    columns: list[str], output: dict[str, Any] | None = None, units: int = 2, **train: Any
) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "input": {"columns": columns},
        "layers": [
            {"type": "dense", "units": 16, "activation": "tanh"},
            {"type": "dense", "units": units},
        ],
        "output": {"column": "y"} if output is None else output,
        "train": {
            "test": 0.25,
            "epochs": 6,
            "optimizer": {"type": "adam", "learning_rate": 0.01},
            **train,
        },
    }


def look(spec: Any, data: Any = None, *, seconds: float = 600.0, **more: Any) -> Diagnosis:
    """``diagnose`` with all the time it needs, so that a busy machine changes nothing."""
    return layerkit.diagnose(spec, data, seconds=seconds, **more)


class Negative(Initializer):
    """Weights that relu units of non-negative inputs cannot live with."""

    type_name = "planted.negative"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        return -rng.random(shape)


class Valve(Layer):
    """A stranger's gated layer: y = x + S (tanh(x W) - x), S = sigma(x V + v) by way of tanh."""

    type_name = "planted.valve"

    def __init__(self, *, openness: float = -1.0) -> None:
        self.openness = openness

    def plan(self, in_shape: Shape) -> Plan:
        (d,) = in_shape
        W = Param((d, d), "glorot_uniform")
        return Plan((d,), {"W": W, "V": W, "v": Param((d,), self.openness)})

    def feed(self, x: Array, ctx: Context) -> Array:
        H = np.tanh(x @ self.params["W"])
        S = 0.5 * (np.tanh(0.5 * (x @ self.params["V"] + self.params["v"])) + 1)
        ctx.save(x, H, S)
        y: Array = x + S * (H - x)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, H, S = ctx.saved
        dH = dy * S * (1 - H * H)
        dS = dy * (H - x) * S * (1 - S)
        self.grads["W"], self.grads["V"] = x.T @ dH, x.T @ dS
        self.grads["v"] = dS.sum(axis=0)
        dx: Array = dy * (1 - S) + dH @ self.params["W"].T + dS @ self.params["V"].T
        return dx
