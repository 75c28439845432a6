"""Seeds until the intervals are narrow enough, and no more where they cannot help."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import study
from layerkit.core.context import Array
from layerkit.statistics.estimates import (
    estimate_from_runs,
    estimate_from_shares,
    estimate_from_validation,
)
from layerkit.studies import Study
from layerkit.studies.precision import Goal, Precision, Width, look


def runs(k: int, sd: float = 1.0, seed: int = 0) -> Width:
    values: Array = np.random.default_rng(seed).normal(50, sd, k)
    return Width("a", estimate_from_runs(values, 0), share=False)


def answers(k: int, rows: int, sd: float) -> Width:
    """Runs that are right on rows of their own choice, more or less often."""
    rng = np.random.default_rng(1)
    levels = 0.8 + sd * rng.normal(size=(k, 1))
    table = (rng.random((k, rows)) < levels).astype(np.float64)
    return Width("a", estimate_from_shares(table, single=True), share=True)


def steps(width: float, most: int = 100) -> tuple[list[int], Precision]:
    """The numbers of seeds at which a study of one point looks, and what it reaches."""
    seeds, found, looks = 2, None, []
    while found is None:
        looks.append(seeds)
        seeds, found = look([runs(seeds)], seeds, Goal(width, most), 0.95)
    return looks, found


def test_seeds_are_added_until_the_interval_is_narrow() -> None:
    looks, found = steps(0.5)
    assert looks[:2] == [2, 5]  # two seeds may agree by chance
    assert all(a < b <= np.ceil(1.5 * a) for a, b in pairwise(looks[1:]))
    assert found.reached
    assert found.seeds == looks[-1]
    assert found.half_width is not None
    assert found.half_width <= 0.5
    assert found.words.startswith("the widest interval is ± 0.4")
    assert found.words.endswith("seeds, within the ± 0.5 asked for")


def test_it_stops_at_the_most_seeds_and_says_so() -> None:
    looks, found = steps(0.1, most=12)
    assert looks == [2, 5, 8, 12]
    assert not found.reached
    assert found.words.endswith("with 12 seeds, wider than ± 0.1, the most that were allowed; "
                                "more would help")  # fmt: skip
    assert steps(0.1, most=3)[0] == [2, 3]


def test_rows_that_no_seed_can_replace_are_told() -> None:
    seeds, found = look([answers(5, 355, 0.001)], 5, Goal(0.5, 100), 0.95)
    assert seeds == 5
    assert found is not None
    assert not found.reached
    assert "± 4.2 points (a) with 5 seeds, wider than ± 0.5 points; more seeds cannot help, but " \
           "about 25,000 test rows instead of 355" in found.words  # fmt: skip
    seeds, found = look([answers(5, 4000, 0.05)], 5, Goal(2, 100), 0.95)
    assert (seeds, found) == (8, None)


def test_validation_rows_of_each_seed_have_their_own_end() -> None:
    values: Array = np.array([0.8, 0.9, 0.85, 0.7, 0.75])
    estimate = estimate_from_validation(values, 0, 1 / 3, share=False, single=True)
    low, high = estimate.over_both(0.95)
    assert estimate.half_width(0.95, 5, 0) == pytest.approx((high - low) / 2)
    end = 1.96 * values.std(ddof=1) / np.sqrt(3)
    assert estimate.half_width(0.95, 10**6, 0) == pytest.approx(end, rel=1e-3)
    assert look([Width("a", estimate, share=False)], 5, Goal(end * 0.9, 99), 0.95)[1] is not None
    assert look([Width("a", estimate, share=False)], 5, Goal(end * 1.3, 99), 0.95)[1] is None


def test_what_has_no_interval_is_no_precision() -> None:
    alike = Width("a", estimate_from_runs(np.ones(5), 0), share=False)
    assert look([alike], 5, Goal(1, 30), 0.95) == (8, None)
    _, found = look([alike], 30, Goal(1, 30), 0.95)
    assert found is not None
    assert (found.half_width, found.reached) == (None, False)
    assert "has no interval with 30 seeds" in found.words
    assert look([], 5, Goal(1, 30), 0.95)[1] is not None


def test_the_stated_confidence_survives_the_looking() -> None:
    """Of studies that stop when they are precise enough: 95 % intervals hold in 92 to 94 %."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        values = rng.normal(0, 1, 60)
        seeds, found = 5, None
        while found is None:
            now = Width("a", estimate_from_runs(values[:seeds], 0), share=False)
            before = now
            seeds, found = look([now], seeds, Goal(0.5, 60), 0.95)
        low, high = before.estimate.over_seeds(0.95)
        held += low <= 0 <= high
    assert held / 400 > 0.91


def test_a_study_goes_the_same_way_again(small: dict[str, Any]) -> None:
    small["grid"] = {"layers.1.repeat": [1]}
    keys: list[int] = []

    def until(half_width: float, **how: Any) -> Study:
        keys.clear()
        return study(small, half_width=half_width, finished=lambda x, *_: keys.append(x["seed"]),
                     **how)  # fmt: skip

    found = until(5.5)
    assert found.precision is not None
    assert found.precision.reached
    assert keys == [0, 1, 2, 3, 4]
    assert [found.done, found.total] == [5, 5]
    assert until(5.5).precision == found.precision
    assert keys == []
    text = Path("small.study/runs.jsonl").read_bytes()
    Path("small.study/runs.jsonl").write_bytes(text[: len(text) // 2])
    assert until(5.5).precision == found.precision
    assert sorted(Path("small.study/runs.jsonl").read_bytes().splitlines()) == sorted(
        text.splitlines()
    )
    never = until(0.5).precision
    assert never is not None
    assert keys == []
    assert not never.reached
    assert "more seeds cannot help" in never.words
    with pytest.raises(ValueError, match="half_width: expected > 0, got 0"):
        until(0)
