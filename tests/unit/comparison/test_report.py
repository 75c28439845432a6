"""The page: well formed, self-contained, escaped, and it says what it must."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from layerkit.comparison import Comparison
from layerkit.figures import numbers
from tests.unit.pages import EVIL, Page, check_marks_inside, svgs


@pytest.fixture(scope="module")
def text(three: Comparison) -> str:
    return three.to_html()


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_is_well_formed(page: Page) -> None:
    assert {"html", "head", "body", "main", "h1", "table"} <= {tag for tag, _ in page.seen}


def test_the_page_loads_nothing(text: str, page: Page) -> None:
    assert not re.search(r"https?:|//[a-z]|url\(|@import|src=", text)
    for tag in ("script", "link", "img", "iframe", "object", "image", "use", "base"):
        assert page.all(tag) == []
    assert all("href" not in a and "xlink:href" not in a for _, a in page.seen)


def test_strings_are_escaped_everywhere(three: Comparison) -> None:
    first = three.contestants[0]
    evil = replace(
        first,
        name=EVIL,
        sources=(EVIL,),
        document={**first.document, "name": EVIL, "output": {"classes": [EVIL]}},
        providers={EVIL: EVIL},
        metrics={EVIL: first.metrics["accuracy"], **first.metrics},
        layers=tuple(replace(row, type=EVIL) for row in first.layers),
    )
    text = replace(
        three,
        contestants=(evil, *three.contestants[1:]),
        data=EVIL,
        cautions=(EVIL,),
        command=EVIL,
        versions={EVIL: EVIL},
    ).to_html()
    assert "<script" not in text
    assert "alert('x')" not in text
    page = Page(text)
    assert "<script>alert('x')" in page.text
    assert len(svgs(text)) > 5


def test_the_headline_is_in_words(three: Comparison, text: str, page: Page) -> None:
    two = replace(three, contestants=three.contestants[:2])
    claim = two.contestants[1].differences["accuracy"].words
    assert claim.partition(" (")[0] in Page(two.to_html()).text
    assert "Against plain in accuracy" in page.text or "Nothing is settled" in page.text


def test_charts_are_named_and_described_with_unique_ids(text: str) -> None:
    charts = [svg for svg in svgs(text) if svg.get("role") == "img"]
    # Desk and phone: dots, differences, three curves, three costs, three confusions.
    assert len(charts) == 2 * (2 + 3 + 3 + 3)
    ids = []
    for svg in charts:
        title, described = svg.find("title"), svg.find("desc")
        assert title is not None
        assert described is not None
        assert title.text
        assert described.text
        assert svg.get("aria-labelledby") == f"{title.get('id')} {described.get('id')}"
        ids += [title.get("id"), described.get("id")]
    assert len(set(ids)) == len(ids)


def test_tables_have_captions_and_scopes(page: Page) -> None:
    tables = [t for t in page.all("div") if t.get("class") == "scroll"]
    # Three metrics, the costs and disagreement; five figures and that of costs.
    assert len(tables) == len(page.all("caption")) == 5 + 6
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))


def test_contestants_differ_without_colour(text: str) -> None:
    """In the curves each contestant has its own dash and its own marker."""
    curves = [s for s in svgs(text) if "curve-loss-0-wide" in (s.get("aria-labelledby") or "")]
    groups = [g for g in curves[0].iter("g") if any(p.get("class") == "curve" for p in g)]
    dashes = {g[0].get("stroke-dasharray") for g in groups}
    markers = {(g[1].tag, len(g[1].get("points", "").split())) for g in groups}
    assert len(dashes) == len(markers) == len(groups) == 3


def test_the_figures_hold_the_numbers(three: Comparison) -> None:
    runs, chance, *curves = three.figures()
    *curves, cost, confusion = curves
    assert (cost.key, confusion.key) == ("cost", "confusion")
    assert [f.key for f in curves] == ["curve-loss", "curve-val-loss", "curve-val-accuracy"]
    rows = list(numbers(runs))
    for c in three.contestants:
        dots = [row[3] for row in rows if row[1:3] == ("dot", c.name)]
        assert dots == list(c.metrics["accuracy"].values)
    intervals = [row for row in numbers(chance) if row[1] == "interval"]
    for c in three.contestants[1:]:
        both = c.differences["accuracy"].both
        assert both is not None
        ends = [row[5:7] for row in intervals if row[4] == f"{c.name}: both"]
        assert ends == [(both.low, both.high), (both.joint_low, both.joint_high)]
    last = [row for row in numbers(curves[0]) if row[2] == three.contestants[0].name][-1]
    finals = [h["loss"][-1] for h in three.contestants[0].histories]
    assert last[4] == pytest.approx(np.mean(finals))


def test_everything_drawn_lies_inside_its_picture(text: str) -> None:
    check_marks_inside(text)


def test_light_dark_and_phone(text: str) -> None:
    assert "prefers-color-scheme:dark" in text
    assert 'name="viewport"' in text
    assert "max-width:34rem" in text


def test_the_page_says_what_the_intervals_mean_and_how_to_repeat_it(
    three: Comparison, page: Page
) -> None:
    for wanted in (
        "would other runs on other rows differ",
        "Only accuracy carries verdicts",
        "Not covered",
        three.command,
        '"layerkit": 1',
        three.versions["NumPy"],
        "8 × " if any(len(c.layers) > 8 for c in three.contestants) else "2 × highway",
    ):
        assert wanted in page.text


def test_numbers_that_are_none_break_no_chart(three: Comparison) -> None:
    first, second, third = three.contestants
    s = second.metrics["accuracy"]
    nan = float("nan")
    odd = replace(
        second,
        metrics={
            **second.metrics,
            "accuracy": replace(s, values=(nan, 0.5, 0.6), mean=nan, sd=nan),
        },
        histories=({"loss": np.array([nan, nan]), "val_loss": np.array([1.0, np.inf])},),
    )
    text = replace(three, contestants=(first, odd, third)).to_html()
    assert svgs(text)
    assert not re.search(r'="[^"]*\b(nan|inf)\b[^"]*"', text)


def test_one_contestant_alone(three: Comparison) -> None:
    alone = replace(three, contestants=three.contestants[:1])
    page = Page(alone.to_html())
    assert "plain: accuracy" in page.text
    assert "minus plain" not in page.text
