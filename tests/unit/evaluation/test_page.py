"""The page of an evaluation: self-contained, escaped, with every number that it must show."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from layerkit.figures import numbers
from tests.unit.evaluation.reports import REPORTS, of_classes, of_numbers
from tests.unit.pages import EVIL, Page, check_marks_inside, svgs


@pytest.mark.parametrize("name", REPORTS)
class TestPage:
    def test_it_is_well_formed_and_loads_nothing(self, name: str) -> None:
        text = REPORTS[name].to_html()
        page = Page(text)
        assert {"html", "head", "body", "main", "h1", "table"} <= {tag for tag, _ in page.seen}
        assert not re.search(r"https?:|//[a-z]|url\(|@import|src=", text)
        for tag in ("script", "link", "img", "iframe", "object", "image", "use", "base"):
            assert page.all(tag) == []
        assert "prefers-color-scheme:dark" in text
        assert len(text) < 600_000

    def test_marks_lie_inside_and_are_numbers(self, name: str) -> None:
        text = REPORTS[name].to_html()
        check_marks_inside(text)
        assert not re.search(r'="[^"]*\b(nan|inf)\b[^"]*"', text)
        ids = [a["id"] for _, a in Page(text).seen if a.get("id")]
        assert len(set(ids)) == len(ids)

    def test_no_text_runs_out_of_its_picture(self, name: str) -> None:
        for svg in svgs(REPORTS[name].to_html()):
            width = float((svg.get("viewBox") or "").split()[2])
            for mark in svg.iter("text"):
                if mark.get("transform"):
                    continue
                room, x = 6.2 * len(mark.text or ""), float(mark.get("x", 0))
                left = {"middle": x - room / 2, "end": x - room}.get(mark.get("text-anchor", ""), x)
                assert left > -10
                assert left + room < width + 12


def test_strings_are_escaped() -> None:
    report = of_classes([EVIL, "b"])
    text = replace(report, name=EVIL, source=EVIL, metrics={EVIL: 1.0},
                   higher_is_better={EVIL: True}, versions={EVIL: EVIL}).to_html()  # fmt: skip
    assert "<script" not in text
    assert "<script>alert('x')" in Page(text).text
    numbers = of_numbers()
    evil = tuple(replace(one, name=EVIL) for one in numbers.residuals)
    assert "<script" not in replace(numbers, residuals=evil).to_html()


def test_the_accuracy_is_never_alone() -> None:
    for report in (REPORTS["two"], REPORTS["1000"], REPORTS["flags"]):
        (title,) = re.findall(r"<h1>.*?</h1>", report.to_html())
        c = report.classes
        assert c is not None
        assert f"Balanced accuracy: {100 * c.balanced_accuracy:.2f} %" in title
        assert f"{100 * c.majority_share:.2f} %" in title


def test_a_model_no_better_than_guessing_is_called_so() -> None:
    report = of_classes(["a", "b"])
    c = report.classes
    assert c is not None
    poor = replace(report, classes=replace(c, accuracy=0.4, majority_share=0.6, majority="a"))
    assert any("no better than always guessing 'a'" in text for text in poor.cautions)
    assert "No better than always guessing" in Page(poor.to_html()).text
    assert "25 % of these rows equal rows" in " ".join(poor.cautions)
    better = replace(report, classes=replace(c, accuracy=0.7, majority_share=0.6))
    assert not any("no better" in text for text in better.cautions)


def test_many_classes_stay_readable() -> None:
    text = REPORTS["1000"].to_html()
    page = Page(text)
    assert "the 100 of 1,000 with the lowest F1" in page.text
    assert "Most frequent confusions" in text
    assert len(page.all("tr")) < 150
    assert "Rows by class and guess" in REPORTS["26"].to_html()


def test_the_page_shows_the_numbers_of_the_report() -> None:
    report = REPORTS["two"]
    c = report.classes
    assert c is not None
    text = Page(report.to_html()).text
    for series in (c.precision, c.recall, c.f1, c.auc):
        for value in series.tolist():
            assert f"{value:.3f}" in text
    for count in c.confusion_matrix.flat:
        assert str(count) in text
    worst = REPORTS["numbers"].residuals[0].worst[0]
    assert str(worst.row) in Page(REPORTS["numbers"].to_html()).text


def test_the_figures_hold_the_numbers() -> None:
    report = REPORTS["two"]
    c = report.classes
    assert c is not None
    confusion, reliability = report.figures()
    cells = [row[-1] for row in numbers(confusion)]
    assert cells == c.confusion_matrix.ravel().tolist()
    rows = [row[4] for row in numbers(reliability) if row[1] == "bar"]
    assert rows == c.calibration.rows.tolist()
    observed = [row[4] for row in numbers(reliability) if row[1] == "line"][2:]
    assert observed == [v for v in c.calibration.observed.tolist() if not math.isnan(v)]
    residuals = REPORTS["one number"].figures()[-1]
    bars = [row[4] for row in numbers(residuals) if row[1] == "bar"]
    one = REPORTS["one number"].residuals[0]
    assert sum(v for v in bars if isinstance(v, float)) == len(one.true)
