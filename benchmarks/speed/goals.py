"""What layerkit is to reach, as ratios to its peers in one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.speed.measure import Outcome, Timing, Unit

EAGER = ("torch_1t", "torch_2t")
TORCH = (*EAGER, "torch_tuned_1t", "torch_tuned_2t", "torch_compiled_1t", "torch_compiled_2t")
GROUPS: dict[str, tuple[str, ...]] = {
    "the best PyTorch": TORCH,
    "eager PyTorch": EAGER,
    "jax.jit": ("jax",),
    "Keras": ("keras",),
    "Thinc": ("thinc",),
    "scikit-learn": ("sklearn_1t", "sklearn_2t"),
    "ONNX Runtime": ("onnxruntime_1t", "onnxruntime_2t"),
    "naive NumPy": ("naive_1t", "naive_2t"),
    "the floor": ("floor_1t", "floor_2t"),
}
OURS = {"pure": "layerkit", "fast": "layerkit_fast"}


@dataclass(frozen=True)
class Goal:
    """layerkit shall be at least ``pure`` times as fast as the group, ``fast`` with the extra.

    Against the floor that is the fraction of the floor's speed.
    """

    unit: Unit
    group: str
    pure: float
    fast: float


def train(work: str, batch: int) -> Unit:
    return Unit("train", work, batch)


W1, W2 = (train("W1-b32", 32), train("W1-b128", 128)), (train("W2-b32", 32), train("W2-b128", 128))
W3, W4 = (train("W3-d50", 100), train("W3-d100", 100)), train("W4", 256)


def infer(work: str, rows: int) -> Unit:
    return Unit("infer", work, rows)


GOALS = (
    *(Goal(u, "the best PyTorch", 2.0, 2.5) for u in (*W2, *W3)),
    *(Goal(u, "eager PyTorch", 2.8, 3.7) for u in (*W2, *W3)),
    *(Goal(u, "jax.jit", 1.0, 1.4) for u in W2),
    Goal(W3[0], "jax.jit", 1.8, 2.4),
    *(Goal(u, "the best PyTorch", 1.0, 1.25) for u in W1),
    Goal(W4, "the best PyTorch", 1.0, 1.05),
    Goal(W1[1], "the floor", 0.6, 0.75),
    Goal(W2[1], "the floor", 0.5, 0.65),
    Goal(W3[1], "the floor", 0.55, 0.75),
    Goal(W4, "the floor", 0.7, 0.75),
    Goal(infer("W2-b128", 1), "ONNX Runtime", 1 / 1.3, 3.0),
    Goal(infer("W2-b128", 1), "the best PyTorch", 3.0, 15.0),
    Goal(infer("W1-b128", 1), "ONNX Runtime", 1 / 1.3, 1 / 1.1),
    Goal(infer("W2-b128", 1024), "the best PyTorch", 1 / 1.4, 1.2),
    Goal(infer("W2-b128", 1024), "ONNX Runtime", 1 / 1.6, 1.0),
    *(Goal(u, "naive NumPy", 2.4, 3.0) for u in (*W1, *W2, *W3)),
    Goal(W4, "naive NumPy", 2.1, 3.0),
    # The purpose in words: faster than these, whatever the work.
    *(Goal(u, "Keras", 1.0, 1.0) for u in (*W1, *W2, *W3, W4)),
    *(Goal(u, "Thinc", 1.0, 1.0) for u in (*W1, *W2, *W3, W4)),
    *(Goal(u, "scikit-learn", 1.0, 1.0) for u in W1),
)


def quickest(outcome: Outcome, group: str) -> tuple[str, Timing] | None:
    """The member of a group with the smallest median, if any was measured."""
    timed = {n: outcome.timings[n] for n in GROUPS[group] if n in outcome.timings}
    if not timed:
        return None
    return min(timed.items(), key=lambda item: item[1].median)


@dataclass(frozen=True)
class Reached:
    """A goal and what was measured: ratios of medians and of minima."""

    goal: Goal
    rival: str
    ratio: float
    ratio_of_least: float
    wanted: float

    @property
    def met(self) -> bool:
        return self.ratio >= self.wanted


def reached(outcomes: Mapping[Unit, Outcome], goal: Goal, which: str) -> Reached | None:
    """How far ``which`` ("pure" or "fast") is from a goal; None if it was not measured."""
    outcome = outcomes.get(goal.unit)
    if outcome is None or OURS[which] not in outcome.timings:
        return None
    rival = quickest(outcome, goal.group)
    if rival is None:
        return None
    name, theirs = rival
    ours = outcome.timings[OURS[which]]
    # Whoever is quickest by median is so by luck or not; the minima have their own quickest.
    least = min(outcome.timings[n].least for n in GROUPS[goal.group] if n in outcome.timings)
    wanted = goal.pure if which == "pure" else goal.fast
    return Reached(goal, name, theirs.median / ours.median, least / ours.least, wanted)
