"""Run a layer as it is written, and compare its record with that, bit by bit."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import numpy as np

from layerkit import Context
from layerkit.core.arrays import Arrays
from layerkit.core.domains import domain_of, with_whole_numbers
from layerkit.recording.record import record
from layerkit.recording.replay import replay

ROWS = 0, 1, 2, 7, 64, 257


class Case:
    """A layer with numbers of its own for its parameters and state."""

    def __init__(self, layer: Any, in_shape: tuple[int, ...], dtype: Any) -> None:
        self.in_shape, self.dtype = in_shape, np.dtype(dtype)
        self.layer, self.plan = layer, layer.plan(in_shape)
        numbers = np.random.default_rng(5)
        groups = self.plan.params, self.plan.state
        self.params, self.state = (
            {k: np.asarray(numbers.random(p.shape) + 0.1, dtype) for k, p in group.items()}
            for group in groups
        )

    def rows(self, n: int) -> dict[str, Any]:
        numbers = np.random.default_rng(n)
        x: Any = numbers.standard_normal((n, *self.in_shape)).astype(self.dtype)
        x = with_whole_numbers(x, domain_of(self.plan.takes, math.prod(self.in_shape)), numbers)
        dy = numbers.standard_normal((n, *self.plan.out_shape)).astype(self.dtype)
        return {"x": x, "dy": dy}

    def eager(self, n: int, *, training: bool, keeps: bool) -> tuple[dict[str, Any], Any]:
        """All results by name, and the state of the stream."""
        layer, given = copy.copy(self.layer), self.rows(n)
        layer.params = self.params
        grads = layer.grads = Arrays({k: np.full_like(p, np.nan) for k, p in self.params.items()})
        state = layer.state = Arrays({k: s.copy() for k, s in self.state.items()})
        rng = np.random.default_rng(9)
        ctx = Context(self.dtype, training=training, rng=rng)
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            found: dict[str, Any] = {"y": layer.feed(given["x"], ctx)}
            if keeps:
                found["dx"] = layer.backprop(given["dy"], ctx)
                found |= {f"grads.{k}": v for k, v in grads.items()}
        found |= {f"state.{k}": v for k, v in state.items()}
        return found, rng.bit_generator.state

    def replayed(self, recording: Any, n: int) -> tuple[dict[str, Any], Any]:
        """The same, of a recording."""
        rng = np.random.default_rng(9)
        made = replay(recording, self.rows(n), n, params=self.params, state=self.state, rng=rng)
        found: dict[str, Any] = {"y": made.y}
        if recording.keeps:
            found["dx"] = made.dx
            found |= {f"grads.{k}": v for k, v in made.grads.items()}
        found |= {f"state.{k}": v for k, v in (self.state | made.state).items()}
        return found, rng.bit_generator.state

    def hold(self, *, training: bool = True, keeps: bool = True, rows: Any = ROWS) -> Any:
        """Record, and compare for each number of rows; the recording."""
        recording = record(self.layer, self.in_shape, self.dtype, training=training, keeps=keeps)
        for n in rows:
            wanted, stream = self.eager(n, training=training, keeps=keeps)
            found, moved = self.replayed(recording, n)
            assert found.keys() == wanted.keys()
            for name, array in wanted.items():
                same_bits(found[name], array, f"{name} for {n} rows")
            assert moved == stream, f"the stream after {n} rows"
        return recording


def same_bits(found: Any, wanted: Any, what: str = "") -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), what
    assert np.array_equal(found, wanted, equal_nan=found.dtype.kind in "fc"), what
    if found.dtype.kind == "f":
        assert np.array_equal(np.signbit(found), np.signbit(wanted)), what
