"""Rules of optimizers and losses, recorded and replayed, give the bits of their own run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Context, Optimizer
from layerkit.discovery import registry
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import record_loss, record_rule
from layerkit.recording.replay import replay
from tests.unit.recording.eager import ROWS, same_bits

OPTIMIZERS = ("adam", "adamw", "momentum", "nesterov", "rmsprop", "sgd")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("key", OPTIMIZERS)
def test_a_replayed_rule_gives_the_bits_of_the_rule(key: str, dtype: Any) -> None:
    optimizer = registry.OPTIMIZERS.create(key)
    recording = record_rule(optimizer, dtype)
    assert vars(optimizer) == vars(registry.OPTIMIZERS.create(key))
    for m in ROWS:
        numbers = np.random.default_rng(m)
        slots = [np.abs(numbers.standard_normal(m)).astype(dtype) for _ in optimizer.slot_names]
        p, g, scratch = (numbers.standard_normal(m).astype(dtype) for _ in range(3))
        optimizer.decay = (numbers.random(m) > 0.5).astype(dtype)
        optimizer.rate, optimizer.steps = 0.003, 17
        given = {"p": p.copy(), "g": g.copy(), "decay": optimizer.decay, "rate": 0.003, "steps": 17}
        given |= {f"slot:{k}": s.copy() for k, s in zip(optimizer.slot_names, slots, strict=True)}
        with np.errstate(all="ignore"):
            optimizer.rule(p, g, slots, scratch)
        found = replay(recording, given, m)
        same_bits(found.y, p, "p")
        assert list(found.state) == list(optimizer.slot_names)
        for name, slot in zip(optimizer.slot_names, slots, strict=True):
            same_bits(found.state[name], slot, name)


class Ruled(Optimizer):
    contract_version = 2

    def __init__(self, rule: Any) -> None:
        self.change = rule

    def rule(self, p: Any, g: Any, slots: Any, scratch: Any) -> None:
        self.change(self, p, g, scratch)


def with_the_module_math(s: Any, p: Any, g: Any, scratch: Any) -> None:
    import math

    p -= g * math.sqrt(s.rate)


def with_an_if(s: Any, p: Any, g: Any, scratch: Any) -> None:
    p -= g * (s.rate if s.steps > 1 else 0)


def with_scratch_as_it_was(s: Any, p: Any, g: Any, scratch: Any) -> None:
    scratch += g
    p -= scratch


def with_memory(s: Any, p: Any, g: Any, scratch: Any) -> None:
    s.seen = getattr(s, "seen", 0) + 1
    p -= g


def with_other_elements(s: Any, p: Any, g: Any, scratch: Any) -> None:
    p[1:] -= g[:-1]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (with_the_module_math, "a number that is known only when a step runs"),
        (with_an_if, "a number that is known only when a step runs"),
        (with_scratch_as_it_was, "'scratch' is read before all of it was written"),
        (with_memory, "changes its own field 'seen'"),
        (with_other_elements, "cut at fixed places|fewer rows"),
    ],
)
def test_rules_that_cannot_be_recorded_are_refused(rule: Any, reason: str) -> None:
    with pytest.raises(NotRecorded, match=reason) as refusal:
        record_rule(Ruled(rule), np.float32)
    assert refusal.value.line.startswith("test_rules.py:") or rule is with_memory


def test_numbers_of_a_step_follow_pythons_arithmetic() -> None:
    def rule(s: Any, p: Any, g: Any, scratch: Any) -> None:
        number = -(2**s.steps) // 3 + s.steps % 2 + s.rate - 1.5 * s.rate / 7 + s.rate * s.steps
        p *= number
        p += np.sqrt(s.rate) * g + s.rate  # np.sqrt gives a strong float64

    recording = record_rule(Ruled(rule), np.float32)
    rate, steps = 0.1, 5
    p, g = np.array([1, 2, 3], np.float32), np.array([4, 5, 6], np.float32)
    wanted = p.copy()
    optimizer: Any = Ruled(rule)
    optimizer.rate, optimizer.steps = rate, steps
    optimizer.rule(wanted, g, [], None)
    found = replay(recording, {"p": p, "g": g, "rate": rate, "steps": steps}, 3)
    same_bits(found.y, wanted)


LOSSES: dict[str, tuple[dict[str, Any], tuple[int, ...], Any]] = {
    "softmax_cross_entropy": ({}, (), np.int64),
    "softmax_cross_entropy, smoothed": ({"label_smoothing": 0.1}, (), np.int64),
    "sigmoid_cross_entropy": ({}, (5,), np.float32),
    "mse": ({}, (5,), np.float64),
    "huber": ({}, (5,), np.float32),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_a_replayed_loss_gives_the_bits_of_the_loss(name: str, dtype: Any) -> None:
    settings, target_shape, target_dtype = LOSSES[name]
    loss = registry.LOSSES.create({"type": name.partition(",")[0], **settings})
    recording = record_loss(loss, (5,), dtype, target_shape, target_dtype)
    assert recording.rowwise
    for n in ROWS:
        numbers = np.random.default_rng(n)
        scores = (3 * numbers.standard_normal((n, 5))).astype(dtype)
        targets = numbers.integers(0, 2 if target_shape else 5, (n, *target_shape))
        given = {
            "x": scores,
            "targets": targets.astype(target_dtype),
            "weights": numbers.random(n).astype(dtype),
        }
        ctx = Context(dtype, training=True)
        with np.errstate(all="ignore"):
            wanted = loss.feed(scores, given["targets"], ctx), loss.backprop(given["weights"], ctx)
        found = replay(recording, given, n)
        same_bits(found.y, wanted[0], f"loss of {n} rows")
        assert found.dx is not None
        same_bits(found.dx, wanted[1], f"gradient of {n} rows")
