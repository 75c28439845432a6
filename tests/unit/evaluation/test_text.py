"""The text of a report: at most 80 columns, readable for many classes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from layerkit.cli import evaluation_text
from tests.unit.evaluation.reports import REPORTS


@pytest.mark.parametrize("name", REPORTS)
def test_80_columns_and_a_page_or_two(name: str) -> None:
    lines = "\n\n".join(evaluation_text.blocks(REPORTS[name])).split("\n")
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 75
    assert all(line.isprintable() for line in lines)
    assert not any(word in ("nan", "inf") for line in lines for word in line.split())


def test_many_metrics_stand_below_each_other() -> None:
    report = REPORTS["two"]
    values = {f"a_metric_of_number_{j}": j / 7 for j in range(9)}
    first = evaluation_text.blocks(replace(report, metrics=values))[0].split("\n")
    assert first[0].split() == ["metric", "value"]
    assert len(first) == 11


def test_a_matrix_or_the_most_frequent_confusions() -> None:
    few = "\n\n".join(evaluation_text.blocks(REPORTS["long names"]))
    assert "true \\ guessed" in few
    assert "1 xxxxxxxxxxxxxxxxxxxxx..." in few
    for name in ("26", "1000"):
        report = REPORTS[name]
        many = "\n\n".join(evaluation_text.blocks(report))
        assert "true \\ guessed" not in many
        assert "most frequent confusions" in many
        assert report.classes is not None
        worst = report.classes.worst_confusions(1)[0]
        assert f"{worst.rows}" in many.split("of the class")[1].split("\n")[2]


def test_of_many_classes_the_worst_are_listed() -> None:
    report = REPORTS["1000"]
    c = report.classes
    assert c is not None
    (block,) = [b for b in evaluation_text.blocks(report) if "lowest F1" in b]
    assert block.startswith("the 10 of 1,000 classes with the lowest F1 (--json has all)")
    assert len(block.split("\n")) == 16
    assert block.split("\n")[-1].split()[-4:] == [
        f"{c.means[name]:.3f}" for name in ("precision", "recall", "f1", "auc")
    ]


def test_classes_without_rows_or_guesses_are_counted() -> None:
    report = REPORTS["one row"]
    (block,) = [b for b in evaluation_text.blocks(report) if b.startswith("class")]
    assert "more without rows or guesses" in block


def test_what_is_not_measured_is_a_dash() -> None:
    text = "\n\n".join(evaluation_text.blocks(REPORTS["one number"]))
    assert "nan" not in text
    assert " - " in text
