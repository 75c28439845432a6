"""JSON, CSV and the table for a terminal."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from layerkit.comparison import Comparison


def test_json_comes_back_as_it_went(three: Comparison) -> None:
    values = three.to_json()
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_json_holds_everything(three: Comparison) -> None:
    values = three.to_json()
    second = values["contestants"][1]
    accuracy = three.contestants[1].metrics["accuracy"]
    assert values["headline"] == three.headline
    assert second["metrics"]["accuracy"]["values"] == list(accuracy.values)
    assert second["metrics"]["accuracy"]["n"] == 3
    assert second["differences"]["accuracy"]["seeds"]["over"] == "seeds"
    assert second["histories"][0]["loss"] == three.contestants[1].histories[0]["loss"].tolist()


def test_numbers_that_are_none_become_null(three: Comparison) -> None:
    first = three.contestants[0]
    odd = replace(first.metrics["accuracy"], mean=float("nan"), sd=float("inf"))
    broken = replace(
        three,
        contestants=(
            replace(first, metrics={**first.metrics, "accuracy": odd}),
            *three.contestants[1:],
        ),
    )
    found = broken.to_json()["contestants"][0]["metrics"]["accuracy"]
    assert (found["mean"], found["sd"]) == (None, None)
    json.dumps(broken.to_json(), allow_nan=False)


def test_csv_has_a_line_for_each_contestant_and_metric(three: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(three.to_csv())))
    assert [(row["contestant"], row["metric"]) for row in lines] == [
        (c.name, name) for c in three.contestants for name in c.metrics
    ]
    second = next(r for r in lines if (r["contestant"], r["metric"]) == ("highway", "accuracy"))
    d = three.contestants[1].differences["accuracy"]
    assert d.seeds is not None
    assert float(second["difference"]) == d.mean
    assert float(second["difference_seeds_high"]) == d.seeds.high
    assert lines[0]["difference"] == ""
    assert None not in second  # no cell without a heading


def test_table_is_a_rectangle_with_headings(three: Comparison) -> None:
    table = three.table()
    assert {len(row) for row in table} == {len(table[0])}
    assert [row[0] for row in table] == ["contestant", "plain", "highway", "one-layer"]
    assert "accuracy − plain" in table[0]
    assert table[1][table[0].index("accuracy − plain")] == "–"


def test_unknown_multiply_adds_are_a_question_mark_and_null(three: Comparison) -> None:
    one, two, three_ = three.contestants
    result = replace(three, contestants=(one, replace(two, macs=None), three_))
    heads, *rows = result.table()
    assert [row[heads.index("MACs/row")] for row in rows] == [
        f"{one.macs:,}",
        "?",
        f"{three_.macs:,}",
    ]
    assert result.to_json()["contestants"][1]["macs"] is None
    lines = list(csv.DictReader(io.StringIO(result.to_csv())))
    assert {line["macs"] for line in lines if line["contestant"] == two.name} == {""}
    assert "<span>?</span>" in result.to_html()


def test_footnotes_say_what_the_intervals_speak_about(three: Comparison) -> None:
    text = " ".join(three.footnotes)
    for wanted in (
        "would other runs on other rows differ",
        "Only accuracy carries verdicts",
        "All seeds share one split",
        "Bonferroni",
        "only the ratios",
    ):
        assert wanted in text


def test_two_contestants_need_no_joint_interval(three: Comparison) -> None:
    two = replace(three, contestants=three.contestants[:2])
    assert "Bonferroni" not in " ".join(two.footnotes)


@pytest.mark.parametrize(("name", "found"), [("=1+1", "'=1+1"), ('a,"b"\n', 'a,"b"\n')])
def test_csv_quotes_odd_names(three: Comparison, name: str, found: str) -> None:
    odd = replace(three, contestants=(replace(three.contestants[0], name=name),))
    assert next(csv.DictReader(io.StringIO(odd.to_csv())))["contestant"] == found
