"""Axes: places and ticks."""

from __future__ import annotations

import pytest

from layerkit.reporting.markup import element
from layerkit.reporting.svg import fit, linear, logarithmic, marker, wants_log


def labels(scale: object) -> list[str]:
    return [label for _, label in scale.ticks]  # type: ignore[attr-defined]


def test_linear_places() -> None:
    scale = linear(0, 10, 100, 300)
    assert (scale(0), scale(5), scale(10)) == (100, 200, 300)
    assert scale(11) == 300  # what lies outside is drawn on the edge


def test_an_axis_may_run_upwards() -> None:
    scale = linear(0, 1, 200, 0)
    assert (scale(0.25), scale(1)) == (150, 0)


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 10, ["0", "2", "4", "6", "8", "10"]),
        (-0.3, 0.31, ["−0.3", "−0.2", "−0.1", "0.0", "0.1", "0.2", "0.3"]),
        (0.871, 0.92, ["0.88", "0.89", "0.90", "0.91", "0.92"]),
        (3, 3, ["1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5"]),
    ],
)
def test_ticks_are_round(low: float, high: float, wanted: list[str]) -> None:
    assert labels(linear(low, high, 0, 1)) == wanted


def test_per_cent_ticks_lie_at_the_values() -> None:
    scale = linear(0, 1, 0, 100, factor=100)
    assert labels(scale) == ["0", "20", "40", "60", "80", "100"]
    assert scale(scale.ticks[1][0]) == pytest.approx(20)


def test_logarithmic_places_and_ticks() -> None:
    scale = logarithmic(0.01, 100, 0, 40)
    assert [scale(0.1), scale(1)] == pytest.approx([10, 20])
    assert labels(scale) == ["0.01", "0.1", "1", "10", "100"]
    assert labels(logarithmic(0.1, 1, 0, 1)) == ["0.1", "0.2", "0.5", "1"]
    assert len(labels(logarithmic(1e-12, 1, 0, 1))) <= 7


def test_when_a_range_asks_for_logarithms() -> None:
    assert wants_log(0.01, 1)
    assert not wants_log(0.1, 1)
    assert not wants_log(0, 1)


def test_elements_are_escaped_and_short() -> None:
    assert element("a", class_="x", b='"<', c=None, d=1.239, e=2.0) == (
        '<a class="x" b="&quot;&lt;" d="1.24" e="2"/>'
    )


def test_long_names_are_cut_to_the_room_there_is() -> None:
    assert fit("short", 200) == "short"
    cut = fit("a-very-long-name-indeed", 80)
    assert cut.endswith("…")
    assert len(cut) <= 11


def test_markers_differ() -> None:
    assert len({marker(i, 10, 10, 5) for i in range(7)}) == 7
