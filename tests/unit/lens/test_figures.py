"""What the lens shows: pictures as data, the page, the tables, and what is refused."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import layerkit
from layerkit.cli import run
from layerkit.core.rows import Rows
from layerkit.figures import Cells, Intervals, Line
from layerkit.lens import Lens, figures, html_page, look
from layerkit.lens.words import curve_words, lesion_words

N = 24


def net(depth: int, width: int = 3) -> layerkit.Model:
    layers = [
        {"type": "dense", "units": width, "name": "in"},
        {"type": "highway", "repeat": depth, "gate_bias": -0.5},
        {"type": "dense", "units": 2},
    ]
    spec = {"layerkit": 1, "input": {"columns": ["a", "b", "c"]}, "layers": layers, "train": {}}
    return layerkit.build({**spec, "output": {"classes": ["no", "<yes>"], "column": "label"}})


def rows() -> Rows:
    x = np.random.default_rng(3).normal(size=(N, 3))
    return Rows(x, None, np.where(x[:, 0] > 0, "<yes>", "no"), "here")


@pytest.fixture(scope="module")
def seen() -> Lens:
    return look(net(3), rows(), row=2)


def test_pictures_hold_the_numbers(seen: Lens) -> None:
    made = {figure.key: figure for figure in figures(seen)}
    assert list(made) == ["gates", "changes", "lesions", "classes", "row"]
    (cells,) = made["gates"].panels[0].marks
    assert isinstance(cells, Cells)
    expected = [gates.units for _, gates in seen.gated]
    np.testing.assert_allclose(cells.values, expected)
    assert cells.high == pytest.approx(np.max(expected))
    left, right = made["lesions"].panels
    alone = next(mark for mark in left.marks if isinstance(mark, Intervals))
    scores = [one["accuracy"] for _, one in seen.lesions]
    assert list(alone.values) == [one.gap for one in scores]
    assert list(alone.low) == [one.gap_low for one in scores]
    first, last = (mark for mark in right.marks if isinstance(mark, Line))
    assert list(first.y) == [one["accuracy"].value for one in seen.first]
    assert list(last.high or ()) == [one["accuracy"].high for one in seen.last]
    by_layer, by_unit = made["classes"].panels
    (cells,) = by_layer.marks
    assert isinstance(cells, Cells)
    name, gates = seen.gated[1]
    assert cells.values[1][0] == pytest.approx(gates.classes["no"] - gates.mean)
    assert by_layer.y.categories[1] == name
    widest = max((g for _, g in seen.gated), key=lambda g: np.ptp(list(g.classes.values())))
    (cells,) = by_unit.marks
    assert isinstance(cells, Cells)
    np.testing.assert_allclose(cells.values[0], widest.class_units["no"])
    assert seen.row is not None
    (cells,) = made["row"].panels[0].marks
    assert isinstance(cells, Cells)
    np.testing.assert_allclose(cells.values[0], seen.row.gates["highway_1"][0])


def test_every_picture_says_what_is_seen_and_where_it_ends(seen: Lens) -> None:
    for figure in figures(seen):
        assert re.search(r"\d", figure.words), figure.key
    text = {figure.key: figure.words for figure in figures(seen)}
    assert "A single lesion measures redundancy" in text["lesions"]
    assert "does not tell" in text["gates"]
    assert "need not be" in text["changes"]
    assert "need not be" in text["classes"]
    base = seen.whole["loss"].value
    moved = sum(abs(one["loss"].gap) > 0.05 * base for _, one in seen.lesions)
    assert f"{moved} of 3 layers" in lesion_words(seen)
    half = 100 * seen.first[1]["accuracy"].value
    assert f"With the first of 3 layers kept, accuracy is {half:.2f} %" in curve_words(seen)


def test_many_layers_have_numbers_and_wide_ones_their_first_units() -> None:
    seen = look(net(14, 110), rows())
    made = {figure.key: figure for figure in figures(seen)}
    panel = made["gates"].panels[0]
    assert panel.y.categories[:2] == ("1", "2")
    (cells,) = panel.marks
    assert isinstance(cells, Cells)
    assert (len(cells.values), len(cells.values[0])) == (14, 100)
    assert "first 100 of 110 units" in made["gates"].words


def test_layers_of_other_widths_share_a_map() -> None:
    spec = net(1).spec.to_document()
    spec["layers"][2:2] = [{"type": "projection", "units": 2, "name": "narrow"}]
    made = figures(look(layerkit.build(spec), rows()))
    (cells,) = made[0].panels[0].marks
    assert isinstance(cells, Cells)
    assert math.isnan(cells.values[1][2])


def test_sequences_have_a_picture_of_their_steps() -> None:
    layers = [{"type": "gru", "units": 2, "name": "g"}, {"type": "dense", "units": 2}]
    spec = {"layerkit": 1, "input": {"shape": [4, 3]}, "layers": layers, "train": {}}
    model = layerkit.build({**spec, "output": {"classes": ["no", "yes"]}})
    x = np.random.default_rng(3).normal(size=(N, 4, 3))
    seen = look(model, Rows(x, None, np.array(["no", "yes"] * (N // 2))), row=0)
    made = {figure.key: figure for figure in figures(seen)}
    assert list(made) == ["gates", "classes", "steps", "row"]
    (line,) = made["steps"].panels[0].marks
    assert isinstance(line, Line)
    assert list(line.y) == seen.gated[0][1].steps
    assert [panel.title for panel in made["row"].panels] == ["by layer and unit", "g by step"]


def test_the_page_holds_all_pictures_and_nothing_else(seen: Lens) -> None:
    page = html_page(seen)
    for figure in figures(seen):
        assert f'id="figure-{figure.key}"' in page
    assert "<script" not in page
    assert "<yes>" not in page
    assert "&lt;yes&gt;" in page
    bare = html_page(look(net(3), Rows(rows().values)))
    assert "the rows have no labels" in bare
    assert "figure-gates" in bare
    assert "figure-lesions" not in bare


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    layerkit.save(net(2), "net.layerkit")
    found, labels = rows().values, rows().labels
    assert found is not None
    assert labels is not None
    lines = [",".join(map(str, [*x, y])) for x, y in zip(found, labels, strict=True)]
    Path("rows.csv").write_text("\n".join(["a,b,c,label", *lines]), encoding="utf-8")
    return "net.layerkit"


def test_the_command_writes_a_page_and_every_number(
    saved: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["lens", saved, "--data", "rows.csv", "--row", "2"]
    assert run([*given, "--html", "lens.html", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["row"]["label"] in ("no", "<yes>")
    assert len(found["blocks"][0]["gates"]["units"]) == 3
    assert found["first"][0]["loss"].keys() == found["whole"]["loss"].keys()
    assert "figure-row" in Path("lens.html").read_text("utf-8")
    assert run(given) == 0
    told = capsys.readouterr()
    assert "gates of row 2, counted from 0" in told.out
    assert "A single lesion measures" in told.out


def test_the_command_writes_pictures_as_files(
    saved: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerkit.discovery.registry.FIGURES.names", lambda: ["csv"])
    given = ["lens", saved, "--data", "rows.csv", "--figures"]
    assert run([*given, "made"]) == 0
    names = sorted(path.name for path in Path("made").iterdir())
    assert names == ["changes.csv", "classes.csv", "gates.csv", "lesions.csv"]
    assert "wrote 4 figures" in capsys.readouterr().err
    assert run([*given, "rows.csv"]) == 1
    assert "expected a folder for the pictures" in capsys.readouterr().err
    unread = ["lens", saved, "--data", "nowhere.csv", "--figures"]
    assert run([*unread, "rows.csv/made"]) == 1, "told before any work"
    assert "rows.csv is a file, so rows.csv/made cannot be written" in capsys.readouterr().err


def test_a_file_without_labels_is_looked_at(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = Path("rows.csv").read_text("utf-8").splitlines()
    bare = "\n".join(line.rpartition(",")[0] for line in lines)
    Path("bare.csv").write_text(bare, encoding="utf-8")
    given = ["lens", saved, "--data", "bare.csv", "--row", "2"]
    assert run([*given, "--html", "lens.html"]) == 0
    told = capsys.readouterr()
    assert "the rows have no labels" in " ".join(told.err.split())
    assert "gates, and the change" in told.out
    assert "without one layer" not in told.out
    assert "Row 2 is answered with" in told.out
    assert run([*given, "--split", "test"]) == 1
    assert "column 'label': not found" in capsys.readouterr().err


def test_the_command_refuses_what_it_cannot_do(
    saved: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["lens", saved, "--data", "rows.csv"]
    for more, told in (
        (["--row", str(N)], f"expected a row from 0 to {N - 1}, got row {N}"),
        (["--row", "-1"], "--row: expected an integer >= 0, got -1"),
        (["--html", saved], "is read by this command"),
        (["--html", "rows.csv"], "is read by this command"),
        (["--html", "gone/lens.html"], "gone"),
    ):
        assert run([*given, *more]) != 0
        assert told in " ".join(capsys.readouterr().err.split())
    assert Path(saved).read_bytes()[:1] != b"<"
    assert not Path("gone").exists()
