"""The page and the figures of a study show what its runs say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Model, Rows, study
from layerkit.comparison.results import Timing
from layerkit.comparison.timing import Timings
from layerkit.figures import Bars, Cells, Dots, Figure, Intervals, Line
from layerkit.reporting.versions import versions
from layerkit.studies.inference import time_notes
from layerkit.studies.page import study_page
from layerkit.studies.pictures import StudyView, points_by_cost, study_figures
from layerkit.studies.run import read_results
from tests.unit.pages import EVIL, Page, check_marks_inside

Found = tuple[StudyView, dict[str, Figure]]
GRID: dict[str, Any] = {
    "layerkit_study": 1,
    "name": "small",
    "spec": "highway-digits",
    "set": {"train.epochs": 1, "layers.0.units": 8},
    "grid": {
        "kind": {"high<way": {}, "plain": {"layers.1": {"type": "dense", "units": 8}}},
        "layers.1.repeat": [1, 3],
    },
    "seeds": 2,
}


def figures(document: dict[str, Any], folder: Path | None = None) -> Found:
    study(document, folder=folder)
    view = StudyView.read(document, folder)
    return view, {figure.key: figure for figure in study_figures(view)}


def marks(figure: Figure, kind: type) -> list[Any]:
    return [m for panel in figure.panels for m in panel.marks if isinstance(m, kind)]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Eight runs of two kinds at two depths."""
    return figures(GRID, tmp_path_factory.mktemp("grid") / "small.study")


def test_every_number_of_a_study_is_drawn(grid: Found) -> None:
    view, found = grid
    assert list(found) == ["runs", "which-chance", "cost", "confusion"]
    lines = [json.loads(x) for x in (view.folder.path / "runs.jsonl").read_text().splitlines()]
    panel = found["runs"].panels[0]
    assert panel.x.categories == ("1", "3")
    drawn = {
        (m.name, panel.x.place(x), round(y, 9)) for m in marks(found["runs"], Dots)
        for x, y in zip(m.x, m.y, strict=True)
    }  # fmt: skip
    assert drawn == {
        (line["point"]["kind"], line["point"]["layers.1.repeat"],
         round(line["metrics"]["test_accuracy"], 9)) for line in lines
    }  # fmt: skip
    best = view.valued[0][1]
    assert best.summary is not None
    intervals = marks(found["which-chance"], Intervals)
    assert len(intervals) == 12  # both, jointly, runs and rows of three differences
    for both in (m for m in intervals if not m.faint):
        assert both.low[0] <= both.values[0] <= both.high[0]
    for width in marks(found["which-chance"], Line):
        assert width.solid_to == 2.0
        assert width.y[0] > width.y[-1] > 0
    costs = {x for m in marks(found["cost"], Dots) for x in m.x}
    assert {row.parameters for _, row in view.valued} <= costs
    (cells,) = marks(found["confusion"], Cells)
    right = sum(cells.values[k][k] for k in range(10)) / np.sum(cells.values)
    assert right == pytest.approx(best.summary.mean, abs=1e-6)


def test_the_page_is_whole_and_harmless(grid: Found) -> None:
    view, found = grid
    extra = Figure("other", EVIL, EVIL, found["runs"].panels)
    text = study_page(view, [*found.values(), extra], f"layerkit study {EVIL}.json")
    page = Page(text)
    assert not page.all("script")
    assert not re.search(r'(href|src)="', text)
    check_marks_inside(text)
    ids = [a["id"] for _, a in page.seen if "id" in a]
    assert len(set(ids)) == len(ids)
    for words in ("high<way, 3", "8 of 8 runs finished",
                  "dense, 3 × highway, dense (1)", EVIL):  # fmt: skip
        assert words in page.text
    line = json.loads((view.folder.path / "runs.jsonl").read_text().splitlines()[0])
    assert line["file"][:23] in page.text
    assert f"models/{line['key']}.layerkit" in page.text
    assert "Rows on which the two best points disagree" in page.text


def test_the_page_says_what_a_search_chose(small: dict[str, Any]) -> None:
    space = {"layers.1.gate_bias": {"from": -4, "to": 0, "whole": True}}
    small |= {"grid": {"layers.1.repeat": [1, 2]}, "seeds": 1}
    small |= {"search": {"trials": 2, "space": space, "set": {"train.validation": 0.2}}}
    view, found = figures(small)
    text = Page(study_page(view, found.values(), "layerkit study s.json")).text
    assert view.study.search is not None
    for p in view.study.search.points:
        assert p.settings is not None
        assert f"layers.1.gate_bias {p.settings['layers.1.gate_bias']}" in text
    assert "What the search chose" in text
    assert "best val accuracy" in text


def test_times_are_measured_when_asked_for_and_not_kept(
    grid: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, _ = grid
    folder = view.folder.path
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    monkeypatch.setattr("layerkit.comparison.timing._BLOCK_SECONDS", 0)  # one call a round
    assert {row.timing for row in view.study.rows} == {None}
    found = read_results(GRID, folder, timing=True)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    named = StudyView.read(GRID, folder, known=found)
    cost = {figure.key: figure for figure in study_figures(named)}["cost"]
    titles = [panel.x.title for panel in cost.panels]
    assert titles == ["parameters", "multiply-adds per row", "microseconds for one row"]
    drawn = sorted(x for m in cost.panels[2].marks if isinstance(m, Dots) for x in m.x)
    taken = sorted(1e6 * row.timing.single for row in found.rows if row.timing is not None)
    assert drawn == taken
    assert len(taken) == 4
    machine = versions()["machine"]
    assert cost.words.endswith(f"Times are of {machine}, one thread.")
    text = Page(study_page(named, [], "layerkit study s.json --timing")).text
    assert f"Times depend on this machine ({machine})" in text
    assert "All points take turns in short blocks" in text
    assert found.to_json()["machine"] == machine
    first = next(p for p in view.findings.points if p.point.title == found.title(found.rows[1]))
    gone = [view.folder.model(line["key"]) for line in first.lines]
    for path in gone:
        path.rename(path.with_suffix(".gone"))
    try:
        found = read_results(GRID, folder, timing=True)
    finally:
        for path in gone:
            path.with_suffix(".gone").rename(path)
    assert [row.timing is None for row in found.rows] == [False, True, False, False]
    assert time_notes(found)[-1] == (
        f"Not timed, as the folder has no model of it: {found.title(found.rows[1])}."
    )


def test_each_point_has_the_time_of_its_own_model(
    grid: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    def layers(models: list[tuple[Model, Rows]]) -> Timings:
        ratio = (1.0, 1.0, 1.0)
        counts = [len(model.network.planned) for model, _ in models]
        return Timings(tuple(Timing(n, n, 1, ratio, ratio) for n in counts), (1.0, 1.0))

    monkeypatch.setattr("layerkit.studies.inference.time_models", layers)
    found = read_results(GRID, grid[0].folder.path, timing=True)
    for row in found.rows:
        assert row.timing is not None
        assert row.timing.single == int(row.point["layers.1.repeat"]) + 2


def test_points_without_a_numeric_axis_stand_in_lanes(small: dict[str, Any]) -> None:
    small |= {"grid": {"layers.1.activation": ["tanh", "relu"]}, "seeds": 2}
    _, found = figures(small)
    panel = found["runs"].panels[0]
    assert set(panel.y.categories) == {"tanh", "relu"}
    assert sum(len(m.x) for m in marks(found["runs"], Dots)) == 4
    assert sum(len(m.places) for m in marks(found["runs"], Intervals)) == 2
    assert not marks(found["runs"], Bars)
    assert "cost" not in found  # both have as many parameters


def test_one_seed_has_no_chances_and_no_run_has_no_figures(small: dict[str, Any]) -> None:
    small |= {"grid": {"layers.1.repeat": [1, 2]}, "seeds": 1}
    empty = StudyView.read(small)
    assert study_figures(empty) == []
    assert "no run is finished" in Page(study_page(empty, [], "layerkit study s")).text
    _, found = figures(small)
    assert "which-chance" not in found
    assert "runs" in found


def test_a_point_is_dominated_only_if_it_is_told_apart(grid: Found) -> None:
    view, _ = grid
    runs = []
    for k, held in enumerate(view.findings.runs):
        assert held is not None
        assert held.rows is not None
        rows = np.ones_like(held.rows)
        rows[:, : (0, 200, 3, 200)[k]] = 0  # the first is best, the third hardly worse
        runs.append(type(held)(**{**held.__dict__, "rows": rows, "values": rows.mean(axis=1)}))
    changed = type(view.findings)(view.findings.points, view.findings.metric, tuple(runs))
    told = StudyView(view.study, changed, view.folder, view.plan)
    numbers = [k for k, _ in view.valued]
    costs = [((10.0,) * 3, (20.0,) * 3, (20.0,) * 3, (5.0,) * 3)[k] for k in numbers]
    lost = dict(zip(numbers, points_by_cost(told, costs), strict=True))
    by = {k: set(point.dominated_by) for k, point in lost.items()}
    # The last is worse than all, but cheaper; the third costs as much as the second.
    assert by == {0: set(), 1: {lost[0].name, lost[2].name}, 2: set(), 3: set()}


def test_rows_of_disagreement_have_the_numbers_that_compare_gives(small: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 17, (60, 64))
    np.savetxt("rows.csv", np.column_stack([x, x[:, 0] > 8]), fmt="%d", delimiter=",")
    small["set"] |= {"train.data": "rows.csv", "output.column": 64, "output.classes": ["0", "1"],
                     "train.test": 0.5, "layers.2.units": 2}  # fmt: skip
    small |= {"grid": {"layers.1.repeat": [1, 3]}, "seeds": 1}
    study(small)
    models = sorted(map(str, Path("small.study/models").iterdir()))
    answers = layerkit.compare(models, data="rows.csv", timing=False).answers
    assert answers is not None
    wanted = {row.row for row in answers.disagreements()}

    def told(data: str | None = None) -> tuple[str, set[int]]:
        page = study_page(StudyView.read(small, data=data), [], "")
        table = page.partition("best points disagree")[2]
        head, _, body = table.partition("<tbody>")
        cells = re.findall(r"<tr>\s*<t[hd][^>]*>([0-9,]+)<", body.partition("</tbody>")[0])
        return head, {int(cell.replace(",", "")) for cell in cells}

    head, numbers = told()
    assert 0 < len(wanted) <= 12
    assert ("row, from 0" in head, "test row" in head, numbers) == (True, False, wanted)
    Path("rows.csv").rename("moved.csv")
    assert told("moved.csv")[1] == wanted
    Path("rows.csv").write_text("1,2\n")
    head, numbers = told()
    assert "test row, from 0; its data are not here" in head
    assert max(numbers) < 30


def test_confusions_name_the_classes(small: dict[str, Any]) -> None:
    spec = {
        "layerkit": 1, "input": {"columns": ["x"]}, "layers": [{"type": "dense", "units": 3}],
        "output": {"column": "kind", "classes": ["low", "mid", "high"]},
        "train": {"epochs": 1, "test": 0.5},
    }  # fmt: skip
    rows = "".join(f"{k},{('low', 'mid', 'high')[k % 3]}\n" for k in range(60))
    Path("rows.csv").write_text(f"x,kind\n{rows}")
    document = {"layerkit_study": 1, "spec": spec, "data": "rows.csv"}
    _, found = figures(document)
    assert found["confusion"].panels[0].y.categories == ("1 low", "2 mid", "3 high")
    assert re.search(r"(low|mid|high) as (low|mid|high) \(\d+\)", found["confusion"].words)
