"""Random programs that make views and write into them: recorded right, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import record
from layerkit.recording.replay import replay
from tests.unit.recording.test_idioms import One

PROGRAMS = 60


def _pick(values: list[Any], rng: np.random.Generator) -> Any:
    return values[int(rng.integers(len(values)))]


def view(values: list[Any], rng: np.random.Generator) -> Any:
    y = _pick(values, rng)
    kind = rng.integers(8)
    if y.ndim == 0:
        return y
    if kind == 0:
        return y.T
    if kind == 1:
        return y[..., ::-1]
    if kind == 2 and y.ndim == 2:
        return y.reshape(-1)
    if kind == 3 and y.ndim == 2:
        return y[:, 2:] if y.shape[1] == 4 else y
    if kind == 4:
        return y[None][0]
    if kind == 5 and y.ndim == 2:
        return y.swapaxes(0, 1)
    if kind == 6:
        return y[...]
    return np.squeeze(np.expand_dims(y, -1), -1)


def fresh(values: list[Any], rng: np.random.Generator) -> Any:
    y, z = _pick(values, rng), _pick(values, rng)
    kind = rng.integers(6)
    if kind == 0:
        return y * 2
    if kind == 1:
        return y.copy()
    if kind == 2 and y.shape == z.shape:
        return y - z
    if kind == 3:
        return np.zeros_like(y)
    if kind == 4 and y.ndim == 2:
        return y.sum(axis=0)
    return np.where(y > 0, y, -0.5 * y)


def write(values: list[Any], rng: np.random.Generator) -> Any:
    i = int(rng.integers(1, len(values)))  # never the input
    y, z = values[i], _pick(values, rng)
    kind = rng.integers(8)
    if kind == 0:
        y += 1.5
    elif kind == 1 and y.shape == z.shape:
        y *= z
    elif kind == 2:
        y[...] = 0.25
    elif kind == 3:
        y[y < 0] = 1
    elif kind == 4 and y.ndim == 2 and y.shape[1] == 4:
        y[:, 2] = y[:, 1] + 1
    elif kind == 5 and y.shape == z.shape:
        np.maximum(y, z, out=y)
    elif kind == 6 and y.ndim == 2:
        y.T[...] -= 1
    elif y.shape == z.shape:
        y[...] = z
    values[i] = y
    return y


def program(seed: int) -> Any:
    """A function of x that runs the same steps whatever x is."""

    def run(x: Any, c: Any, s: Any) -> Any:
        rng = np.random.default_rng(seed)
        values = [x, x * 1]
        for _ in range(14):
            step = (view, fresh, write, write)[int(rng.integers(4))]
            values.append(step(values, rng))
        y = x * 1
        for value in values:
            y = y + np.sum(value * 0.125)
            if value.shape == x.shape:
                y = y + value
        return y

    return run


@pytest.mark.parametrize("block", range(8))
def test_writes_through_views_are_recorded_right_or_refused(block: int) -> None:
    recorded, reasons = 0, set()
    for seed in range(block * PROGRAMS, (block + 1) * PROGRAMS):
        function = program(seed)
        try:
            made = record(One(function), (4,), np.float64, training=True, keeps=False)
        except NotRecorded as refusal:
            reasons.add(refusal.reason)
            continue
        recorded += 1
        for n in 5, 7:
            x = np.random.default_rng(n).standard_normal((n, 4))
            wanted = function(x.copy(), None, None)
            found = replay(made, {"x": x}, n).y
            # written through views, an array may lie otherwise in memory, which orders its sums
            assert np.allclose(found, wanted, rtol=1e-12, atol=1e-12), f"program {seed}, {n} rows"
    assert recorded > PROGRAMS / 4
    assert all("reshape" in reason or "writes into 'x'" in reason for reason in reasons)
