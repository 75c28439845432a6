"""What the table of starting specs says of scores, and where it is written."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.tables import report
from benchmarks.tables.peers import PEERS

TRUTH = np.array(["a", "b"] * 200)


def scores(right: dict[str, float]) -> report.Scores:
    """Three runs of each peer, with a share of the rows right."""
    found = report.Scores("planted", 100, TRUTH, numbers=False)
    rng = np.random.default_rng(0)
    for peer in PEERS:
        for _ in range(3):
            wrong = rng.random(len(TRUTH)) > right.get(peer, 0.8)
            found.add(peer, np.where(wrong, "c", TRUTH), 1.0)
    return found


@pytest.mark.parametrize(("ours", "word"), [(0.95, "above +"), (0.6, "below -"), (0.8, "level ")])
def test_a_difference_is_told_in_a_word(ours: float, word: str) -> None:
    told = report.verdict(scores({"spec init": ours}), "MLP, 100")
    assert told.startswith(word)


def test_labels_that_are_written_otherwise_are_the_same_class() -> None:
    found = report.Scores("planted", 100, np.array([0.0, 1.0, 1.0]), numbers=False)
    found.add("spec init", np.array([0, 1, 0]), 1.0)
    assert found.table("spec init").tolist() == [[1, 1, 0]]


def test_the_rows_of_numbers_have_r2_as_their_mean() -> None:
    truth = np.array([1.0, 2.0, 4.0, 5.0])
    found = report.Scores("planted", 100, truth, numbers=True)
    predicted = np.array([1.5, 2.0, 3.0, 5.0])
    found.add("spec init", predicted, 1.0)
    r2 = 1 - ((predicted - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert found.table("spec init").mean() == pytest.approx(r2)


def test_the_page_has_the_place_and_a_line_for_each_peer() -> None:
    page = report.PAGE.read_text("utf-8")
    table = page.split(report.BEGIN)[1].split(report.END)[0].strip().splitlines()
    assert table[0] == report.markdown({}).splitlines()[0]
    assert len(table) == 12
    assert report.line(scores({})).count("|") == table[0].count("|")
