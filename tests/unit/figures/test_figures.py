"""Figures: what they refuse, where marks stand, and that every form holds their numbers."""

from __future__ import annotations

import csv
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import MissingExtraError, PluginError, Renderer, UnknownTypeError
from layerkit.data import spreadsheet
from layerkit.figures import (
    HEAD,
    Axis,
    Bars,
    Cells,
    Dots,
    Figure,
    Intervals,
    Line,
    Panel,
    Rule,
    numbers,
    save_figures,
    style_of,
)
from layerkit.figures.drawing import figure_block, panel_svg
from layerkit.reporting.series import color_rules

DEPTHS = ("d1", "d10", "d40")
SCORES = Panel(
    Axis("depth", categories=DEPTHS),
    Axis("accuracy in per cent", share=True, low=0.0, high=1.0),
    (
        Dots("plain", 0, [0, 1, 2, 2], [0.95, 0.9, 0.1, 0.2]),
        Dots("high<way", 1, [0, 1, 2], [0.97, 0.96, 0.93]),
        Rule(0.5, "y", "half"),
    ),
)
CURVE = Panel(
    Axis("trials", whole=True),
    Axis("loss", log=True),
    (Line("plain", 0, [1, 2, 3], [1.0, 0.1, 0.01], [0.5, 0.05, 0.005], [2, 0.2, 0.02], 2.0),),
    "=curve",
)
FIGURE = Figure("depth", "Depth", "Plain nets fall to 10 %.", (SCORES, CURVE))
MAP = Panel(
    Axis("unit"), Axis("layer", categories=("a", "b")), (Cells("gate", 0, ((0, 1), (2, 4)), 0, 4),)
)


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314  # what we made ourselves


def drawn(panel: Panel) -> ET.Element:
    return parsed(panel_svg(panel, "Depth", "In words.", "k", 520))


def places(svg: ET.Element, class_: str, names: tuple[str, str]) -> list[tuple[float, float]]:
    found = [e for e in svg.iter() if class_ in e.get("class", "").split() and names[0] in e.attrib]
    return [(float(e.attrib[names[0]]), float(e.attrib[names[1]])) for e in found]


def tick(svg: ET.Element, label: str) -> tuple[float, float]:
    (found,) = (e for e in svg.iter("text") if e.get("class") == "tick" and e.text == label)
    return float(found.attrib["x"]), float(found.attrib["y"]) - 4


def test_the_drawing_holds_the_numbers() -> None:
    svg = drawn(SCORES)
    (_, zero), (_, full) = tick(svg, "0"), tick(svg, "100")
    dots = places(svg, "dot", ("cx", "cy"))  # the circles are those of series 0
    for (_, y), value in zip(dots, SCORES.marks[0].y, strict=True):  # type: ignore[union-attr]
        assert (y - zero) / (full - zero) == pytest.approx(value, abs=2e-3)
    middle = tick(svg, "d10")[0]
    assert dots[1][0] < middle  # plain stands left of the category, highway right of it
    step = tick(svg, "d40")[0] - middle
    assert middle - dots[1][0] == pytest.approx(0.2 * step, abs=0.1)
    assert svg.findtext("title") == "Depth"
    assert svg.findtext("desc") == "In words."
    assert (svg.get("role"), svg.get("tabindex")) == ("img", "0")


def test_a_line_has_its_band_and_is_dotted_where_it_leans_on_little() -> None:
    svg = drawn(CURVE)
    paths = {e.get("class"): e for e in svg.iter("path")}
    points = [tuple(map(float, p.split())) for p in paths["curve"].attrib["d"][1:].split("L")]
    (_, tenth), (_, hundredth) = tick(svg, "0.1"), tick(svg, "0.01")
    assert [y for _, y in points] == pytest.approx([2 * tenth - hundredth, tenth], abs=0.02)
    rest = [tuple(map(float, p.split())) for p in paths["curve thin"].attrib["d"][1:].split("L")]
    assert rest[0] == points[-1]
    assert paths["curve thin"].get("stroke-dasharray")
    assert paths["band"].attrib["d"].count("L") == 5


def test_a_map_is_darker_where_values_are_larger() -> None:
    svg = drawn(MAP)
    strength = {}
    for path in (e for e in svg.iter("path") if e.get("class") == "cell"):
        for x, y in re.findall(r"M([\d.]+) ([\d.]+)h", path.attrib["d"]):
            strength[float(x), float(y)] = float(path.attrib["fill-opacity"])
    by_place = [strength[place] for place in sorted(strength, key=lambda p: (p[1], p[0]))]
    assert by_place == sorted(by_place)
    assert by_place[-1] > 3 * by_place[1]
    assert tick(svg, "a")[1] < tick(svg, "b")[1]  # rows run downwards


def test_sideways_intervals_and_bars() -> None:
    names = ("both", "runs")
    sideways = Panel(Axis("points"), Axis("", categories=names),
                     (Intervals("d", 0, [0, 1], [2, 2], [0, 1], [4, 3]), Rule(0, "x")))  # fmt: skip
    svg = drawn(sideways)
    lines = [e for e in svg.iter("line") if e.get("class") == "bar"]
    lengths = [float(e.attrib["x2"]) - float(e.attrib["x1"]) for e in lines]
    assert lengths[0] == pytest.approx(2 * lengths[1], abs=0.05)
    bars = drawn(Panel(Axis("kind", categories=names), Axis("rows"),
                       (Bars("a", 0, [0, 1], [3, 6]), Bars("b", 1, [0, 1], [1, 2]))))  # fmt: skip
    boxes = [e for e in bars.iter("rect") if e.get("class") == "column"]
    heights = [float(e.attrib["height"]) for e in boxes]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.05)
    assert heights[3] == pytest.approx(2 * heights[2], abs=0.05)
    lefts = [float(e.attrib["x"]) for e in boxes]
    assert lefts[0] + float(boxes[0].attrib["width"]) <= lefts[2] + 0.05


def test_values_that_cannot_be_drawn_are_left_out() -> None:
    nan = float("nan")
    bare = Panel(Axis("x"), Axis("y"), [Intervals("a", 0, [1], [nan], [2], [3])])
    assert list(numbers(Figure("k", "t", "w", [bare]))) == [
        ("", "interval", "a", 1.0, None, 2.0, 3.0, None)
    ]
    odd = Panel(Axis("x", log=True), Axis("y"), (Dots("a", 0, [0.0, 1.0, 2.0], [1.0, nan, 3.0]),))
    assert len(places(drawn(odd), "dot", ("cx", "cy"))) == 1
    empty = Panel(Axis("x"), Axis("y", log=True), (Line("a", 0, [], []),))
    assert drawn(empty).findtext("title") == "Depth"


def test_the_block_of_a_page_is_for_every_reader() -> None:
    block = figure_block(FIGURE)
    figure = parsed(block)
    assert figure.findtext("h3") == "Depth"
    assert figure.findtext("figcaption") == FIGURE.words
    assert len(list(figure.iter("svg"))) == 4 + 2  # two panels for two widths, two swatches
    ids = re.findall(r' id="([^"]+)"', block)
    assert len(set(ids)) == len(ids)
    assert ["".join(li.itertext()).strip() for li in figure.iter("li")] == ["plain", "high<way"]
    table = figure.find("details")
    assert table is not None
    cells = ["".join(cell.itertext()) for cell in table.iter("td")]
    assert {"0.93", "high<way", "d40"} <= set(cells)
    wide = Cells("gate", 0, ((1,) * 201,), 0, 1)
    large = Figure("map", "Map", "W.", (Panel(Axis("unit"), Axis("layer"), (wide,)),))
    assert "<details" not in figure_block(large)


def test_csv_equals_the_figure(tmp_path: Path) -> None:
    (path,) = save_figures([FIGURE], tmp_path / "new" / "folder", ["csv"])
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = [[spreadsheet.original(cell) for cell in row] for row in csv.reader(file)]
    assert tuple(head) == HEAD
    expected = [["" if v is None else str(v) for v in row] for row in numbers(FIGURE)]
    assert rows == expected
    assert rows[3] == ["", "dot", "plain", "d40", "0.2", "", "", ""]
    assert rows[-1] == ["=curve", "dotted", "plain", "3.0", "0.01", "0.005", "0.02", ""]
    assert "'=curve" in path.read_text("utf-8")  # no spreadsheet runs it


def test_png_has_pixels_and_svg_shapes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    import matplotlib.image as images

    small = Figure("scores", "Scores", "Plain nets fall.", (SCORES,))
    light, drawing = save_figures([small], tmp_path, ["png", "svg"])
    found = np.rint(255 * images.imread(light)[:, :, :3])
    for series in (0, 1):
        wanted = style_of(series).light.lstrip("#")
        color = [int(wanted[i : i + 2], 16) for i in (0, 2, 4)]
        assert (np.abs(found - color).max(axis=2) < 3).sum() > 20
    assert found[0, 0].min() == 255
    (dark,) = save_figures([small], tmp_path / "dark", [{"type": "png", "dark": True}])
    assert images.imread(dark)[0, 0, :3].max() < 0.2
    text = drawing.read_text("utf-8")
    assert text.count("<use") >= 7  # the dots
    assert "Plain nets fall" in text
    assert style_of(1).light in text


def test_labels_cover_no_other(tmp_path: Path) -> None:
    """Also those of another mark; what has no room is left out."""
    names = [f"net of {k:02} layers" for k in range(14)]
    marks = [Dots(f"s{k}", k, [1.0] * 7, [2.0] * 7, tuple(names[k::2])) for k in (0, 1)]
    panel = Panel(Axis("parameters", low=0, high=3), Axis("accuracy", low=0, high=4), marks)
    here = [e for e in drawn(panel).iter("text") if (e.text or "") in names]
    on_page = [(float(e.attrib["x"]), float(e.attrib["y"])) for e in here]
    assert len(set(on_page)) == len(on_page) == 8
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    (drawing,) = save_figures([Figure("few", "Few", "W.", [panel])], tmp_path, ["svg"])
    found = re.findall(r"<!-- (net of .*?) -->\s*<g .*?translate\((\S+) (\S+)\)",
                       drawing.read_text("utf-8"))  # fmt: skip
    assert len({name for name, _, _ in found}) == len(found) == 8
    left = [(float(x), float(y)) for _, x, y in found]
    for i, (x, y) in enumerate(left):
        for other_x, other_y in left[:i]:
            assert abs(y - other_y) >= 5 or abs(x - other_x) >= 40


def test_named_forms_that_cannot_draw_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    target = tmp_path / "pictures"
    with pytest.raises(MissingExtraError) as caught:
        save_figures([FIGURE], target, ["csv", "png"])
    assert caught.value.hint == 'install it with: python -m pip install "layerkit[plot]"'
    with pytest.raises(UnknownTypeError, match="unknown form of figures 'pngg'"):
        save_figures([FIGURE], target, ["csv", "pngg"])
    with pytest.raises(ValueError, match="distinct keys"):
        save_figures([FIGURE, FIGURE], target, ["csv"])
    assert not target.exists()


def test_without_the_extra_the_numbers_are_written_and_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.warns(UserWarning, match="extra plot") as told:
        written = save_figures([FIGURE], tmp_path)
    assert [path.name for path in written] == ["depth.csv"]
    assert [str(each.message) for each in told] == [
        'png and svg need the extra plot: python -m pip install "layerkit[plot]"'
    ]


def test_a_form_that_breaks_takes_no_other_with_it(
    tmp_path: Path, register: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    @register
    class Broken(Renderer):
        """Draws all but maps.

        Source: none.
        """

        type_name = "a_broken_form"
        extension = ".broken"

        def content(self, figure: Figure) -> bytes:
            if figure.key == "map":
                raise RuntimeError("no ink\nat all")
            return b"drawn"

    @register
    class Text(Renderer):
        """Its files are no bytes.

        Source: none.
        """

        type_name = "a_form_as_text"
        extension = ".txt"

        def content(self, figure: Figure) -> bytes:
            return "text"  # type: ignore[return-value]

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    figures, told = [FIGURE, Figure("map", "Map", "W.", (MAP,))], list[str]()
    written = save_figures(figures, tmp_path, notice=told.append)
    assert {p.name for p in written} == {"depth.broken", "depth.csv", "map.csv"}
    assert all(path.exists() for path in written)
    assert not list(tmp_path.glob("*.txt"))
    assert told[1:] == [
        "a_form_as_text cannot draw depth, map: TypeError: memoryview: a bytes-like object is "
        "required, not 'str'",
        "a_broken_form cannot draw map: RuntimeError: no ink",
    ]
    monkeypatch.setattr(Text, "require", lambda self: 1 / 0)
    save_figures(figures[:1], tmp_path, notice=told.append)
    assert "a_form_as_text cannot draw: ZeroDivisionError: division by zero" in told
    (tmp_path / "map.csv").unlink()
    with pytest.raises(PluginError, match="a_broken_form cannot draw map: RuntimeError: no ink"):
        save_figures(figures, tmp_path, ["a_broken_form", "csv"])
    assert (tmp_path / "map.csv").exists()


def test_figures_refuse_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="expected as many of each, got x 2, y 1"):
        Dots("a", 0, [1, 2], [3])
    with pytest.raises(ValueError, match="both ends of the band"):
        Line("a", 0, [1], [2], low=[1])
    with pytest.raises(ValueError, match="expected 1 labels"):
        Dots("a", 0, [1], [2], labels=("a", "b"))
    with pytest.raises(ValueError, match="rows of one length"):
        Cells("a", 0, ((1, 2), (3,)), 0, 1)
    with pytest.raises(ValueError, match="lower-case letters"):
        Figure("../up", "a", "b", ())


def test_series_look_alike_in_every_form() -> None:
    rules = color_rules()
    for series in range(8):
        style = style_of(series)
        assert f".c{series}{{--c:{style.light}}}" in rules
        assert f".c{series}{{--c:{style.dark}}}" in rules
    assert style_of(8).light == style_of(0).light
    assert style_of(7).marker != style_of(8).marker


def test_the_last_label_of_an_axis_lies_inside() -> None:
    for log, x in ((True, (3466.0, 86890.0)), (False, (2937.0, 7764.0))):
        panel = Panel(Axis("parameters", log=log), Axis("accuracy"), (Dots("nets", 0, x, (1, 2)),))
        labels = [e for e in drawn(panel).iter("text") if e.get("text-anchor") == "middle"]
        last = max(
            (e for e in labels if e.get("class") == "tick"), key=lambda e: float(e.attrib["x"])
        )
        assert last.text == ("100,000" if log else "8,000")
        assert float(last.attrib["x"]) + 7.6 / 2 * len(last.text) <= 520


def test_the_scale_of_a_map_is_whole_on_a_phone_and_has_a_real_minus() -> None:
    names = ("highway_1", "highway_2")
    cells = Cells("above all rows", 0, ((-1, 1), (0, 1)), -1, 1, middle=0.0)
    panel = Panel(Axis("class"), Axis("layer", categories=names), (cells,))
    svg = parsed(panel_svg(panel, "Gates", "In words.", "k", 336))
    assert "above all rows \N{MINUS SIGN}1" in [e.text for e in svg.iter("text")]
