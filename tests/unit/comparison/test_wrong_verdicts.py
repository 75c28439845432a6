"""A small ``make stats``: few cells, a fixed seed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.stats.report import faults, full, tables
from benchmarks.stats.simulate import Cell, cells, judge

SMALL = [
    Cell("hits", "copies", "noisy", 2, 355, "test", 2),
    Cell("hits", "other rows", "noisy", 20, 355, "test", 2),
    Cell("hits", "other rows", "medium", 10, 355, "validation", 2),
    Cell("hits", "other rows", "medium", 3, 355, "test", 12),
    Cell("losses", "other rows", "quiet", 3, 355, "test", 2),
]


@pytest.mark.parametrize("cell", SMALL, ids=str)
def test_equal_nets_are_seldom_told_apart(cell: Cell) -> None:
    outcome = judge(cell, 200, np.random.default_rng(1))
    assert faults([outcome], (15, 15)) in ([], ["1 of 1 cells above 5 % + 2 standard errors"])
    assert outcome.apart < 0.09 * 200


def test_demands_that_are_not_met_are_named() -> None:
    outcome = judge(SMALL[0], 50, np.random.default_rng(1))
    outcome.apart, outcome.covered = 9, 40
    told = faults([outcome], (11, 15))
    assert [text.partition(" ")[0] for text in told] == ["told", "coverage", "1", "the"]
    assert "| hits | 355 test | 2 | 18.0 (80.0)" in tables([outcome], (11, 15), 0, 1)
    assert "| hits | copies | noisy | 2 | 355 test | 2 | 18.0 | 80.0 |" in full([outcome])


def test_every_factor_has_its_cells() -> None:
    found = list(cells())
    assert {c.seeds for c in found} == {2, 3, 5, 10, 20, 40}
    assert {(c.rows, c.on, c.contestants) for c in found if c.measure == "hits"} == {
        (n, on, m) for n in (355, 2000) for on in ("test", "validation") for m in (2, 12)
    }
    assert len({(c.nets, c.noise) for c in found}) == 6
