"""What is dominated, confusions, and rows of disagreement."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from layerkit.comparison import Comparison
from layerkit.comparison.class_answers import ClassAnswers
from layerkit.comparison.cost_figures import answer_figures, confusion_figure
from layerkit.comparison.pareto import dominated_by, pareto
from layerkit.comparison.results import Contestant, Summary, Timing


def contestant(name: str, score: float, parameters: int, seconds: float, spread: float) -> Any:
    s = Summary((score,), score, None, None, higher_is_better=True, share=True, rows=100)
    ratio = (1 - spread, 1.0, 1 + spread)
    timing = Timing(seconds, seconds, 256, ratio, ratio)
    return Contestant(name, "spec", (), (0,), parameters, None, 1, (), {}, {}, {"accuracy": s},
                      timing=timing)  # fmt: skip


def compared(*pairs: tuple[str, str]) -> Comparison:
    made = (
        contestant("small", 0.90, 100, 2e-6, 0.1),
        contestant("large", 0.95, 1000, 4e-6, 0.1),
        contestant("waste", 0.91, 2000, 4.1e-6, 0.1),
    )
    return Comparison(made, "accuracy", "data", "test", 100, 0.95, told_apart=pairs)


def test_dominated_only_if_told_apart() -> None:
    """Better and cheaper on paper is not enough."""
    lost = [point.dominated_by for point in pareto(compared(), "parameters")]
    assert lost == [(), (), ()]
    lost = [point.dominated_by for point in pareto(compared(("large", "waste")), "parameters")]
    assert lost == [(), (), ("large",)]


def test_a_dearer_contestant_dominates_nothing() -> None:
    found = pareto(compared(("large", "small"), ("large", "waste")), "parameters")
    assert [point.dominated_by for point in found] == [(), (), ("large",)]


def test_measured_costs_must_be_told_apart_too() -> None:
    """4.0 and 4.1 microseconds are the same within their quartiles."""
    found = pareto(compared(("large", "waste"), ("small", "large")), "microseconds")
    assert [point.dominated_by for point in found] == [(), ("small",), ()]
    assert found[0].cost == pytest.approx(2)
    assert (found[1].cost_low, found[1].cost_high) == pytest.approx((3.6, 4.4))


def test_an_unknown_cost_gives_no_front() -> None:
    assert pareto(compared(), "macs") == ()


def test_equal_costs() -> None:
    assert dominated_by([(1, 1), (1, 1), (2, 2)], [(0, 1), (2, 0)]) == [(), (0,), ()]


def test_cost_figure() -> None:
    (found,) = answer_figures(compared(("large", "waste")))
    assert "parameters: waste (by large)" in found.words
    assert "microseconds for one row: none" in found.words
    assert [panel.x.title for panel in found.panels] == ["parameters", "microseconds for one row"]


ANSWERS = ClassAnswers(
    classes=("cat", "dog"),
    truth=np.array([0, 1, 1]),
    guesses={"a": np.array([[0, 1, 0], [0, 0, 0]]), "b": np.array([[0, 1, 1], [0, 1, 1]])},
    rows=np.array([10, 20, 30]),
)


def test_disagreements_by_hand() -> None:
    first, second = ANSWERS.disagreements()
    assert (first.row, first.truth) == (30, "dog")  # never right against always
    assert first.guesses == {"a": {"cat": 2}, "b": {"dog": 2}}
    assert first.right == {"a": 0.0, "b": 1.0}
    assert (second.row, second.guesses["a"]) == (20, {"cat": 1, "dog": 1})
    assert len(ANSWERS.disagreements(1)) == 1


def test_confusion_by_hand() -> None:
    assert ANSWERS.confusion("a").tolist() == [[2, 0], [3, 1]]
    found = confusion_figure(ANSWERS)
    assert found is not None
    assert found.words == "Most frequent confusions: a, 2 runs: dog as cat (3); b, 2 runs: none."
    assert [panel.title for panel in found.panels] == ["a", "b"]


def test_answers_of_a_comparison(three: Comparison) -> None:
    """They agree with the scores, row numbers and all."""
    answers = three.answers
    assert answers is not None
    assert answers.classes == tuple(map(str, range(10)))
    for c in three.contestants:
        right = answers.right(c.name)
        assert right.mean() == pytest.approx(c.metrics["accuracy"].mean)
        assert np.trace(answers.confusion(c.name)) == pytest.approx(right.sum() * 3)
    rows = answers.disagreements()
    assert all(max(r.right.values()) > min(r.right.values()) for r in rows)
    values = json.loads(json.dumps(three.to_json(), allow_nan=False))["answers"]
    assert values["disagreements"] == len(rows)
    assert len(values["rows"]) == min(100, len(rows))
    assert values["rows"][0]["truth"] == rows[0].truth
    assert np.sum(values["confusions"]["plain"]) == 3 * three.rows
    assert "Rows of disagreement" in three.to_html()


def test_pairs_told_apart(three: Comparison) -> None:
    worse = {name for _, name in three.told_apart}
    assert set(three.best) == {c.name for c in three.contestants} - worse
