"""The field ``match`` of a study: whom a point matches, what is kept, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import layerkit
from layerkit import SpecError, StudyError, study
from layerkit.studies import budget, matching
from layerkit.studies.document import read_study
from layerkit.studies.matching import keep_solutions, solutions_in
from layerkit.studies.pictures import StudyView
from layerkit.studies.run import read_results
from layerkit.studies.seconds import Ratio

PLAIN = {"layers.1": {"type": "dense", "units": 8, "activation": "tanh"}}


@pytest.fixture
def kinds(small: dict[str, Any]) -> dict[str, Any]:
    """Plain nets that cost as much as the highway net of the same depth."""
    grid = {"kind": {"highway": {}, "plain": PLAIN}, "layers.1.repeat": [2, 5]}
    match = {"what": "params", "to": "highway"}
    return {**small, "grid": grid, "seeds": 1, "match": match}


def parameters(found: layerkit.Study) -> dict[tuple[str, ...], int | None]:
    return {tuple(row.point.values()): row.parameters for row in found.rows}


def test_a_point_matches_the_one_that_is_equal_on_the_other_axes(kinds: dict[str, Any]) -> None:
    before = parameters(read_results({**kinds, "match": None}))
    found = study(kinds)
    after = parameters(found)
    for depth in ("2", "5"):
        assert after["highway", depth] == before["highway", depth]
        assert after["plain", depth] != before["plain", depth]
    for row in found.rows:
        if row.point["kind"] == "highway":
            assert row.matched is None
            continue
        assert row.matched is not None
        assert row.matched.target == after["highway", row.point["layers.1.repeat"]]
        assert row.matched.cost == row.parameters
        assert abs(row.matched.remainder) <= 0.005
    line = next(
        one
        for one in map(json.loads, Path("small.study/runs.jsonl").read_text().splitlines())
        if one["point"] == {"kind": "plain", "layers.1.repeat": "5"}
    )
    model = layerkit.load(f"small.study/models/{line['key']}.layerkit")
    assert model.network.size == after["plain", "5"]
    row = next(r for r in found.rows if r.point == line["point"])
    assert row.matched is not None
    settings = ["layers.0.units=8", "train.epochs=1", f"layers.1={json.dumps(PLAIN['layers.1'])}",
                "layers.1.repeat=5", *row.matched.settings]  # fmt: skip
    run = layerkit.train("highway-digits", settings=settings, seed=line["seed"])
    assert run.metrics == line["metrics"]
    written = layerkit.train("small.study/specs/highway-digits-plain-5.json", seed=line["seed"])
    assert written.metrics == line["metrics"]
    assert len(list(Path("small.study/specs").iterdir())) == 4
    assert StudyView.read(kinds).study.rows == found.rows
    told = next(one for one in found.to_json()["rows"] if one["point"] == line["point"])
    assert told["matched"]["widths"] == row.matched.widths
    assert told["matched"]["remainder"] == row.matched.remainder


@pytest.mark.parametrize("to", [{"kind": "highway", "layers.1.repeat": 2}, 1000])
def test_all_points_may_match_one_cost(kinds: dict[str, Any], to: Any) -> None:
    kinds["match"] = {"what": "params", "to": to, "allow": 0.1}
    before = parameters(read_results({**kinds, "match": None}))["highway", "2"]
    rows = read_results(kinds).rows
    assert {row.matched.target for row in rows if row.matched} == {before if to != 1000 else 1000}
    assert len([row for row in rows if row.matched]) == (3 if to != 1000 else 4)
    assert not Path("small.study").exists()


def test_what_is_free_may_differ_by_label(kinds: dict[str, Any]) -> None:
    free = {"plain": ["layers.1.units"], "highway": ["layers.0.units"]}
    kinds["match"] = {"what": "params", "to": 1500, "free": free, "allow": 0.2}
    for row in read_results(kinds).rows:
        assert row.matched is not None
        expected = "layers.1.units" if row.point["kind"] == "plain" else "layers.0.units"
        assert list(row.matched.widths) == [expected]
    kinds["match"] |= {"free": {"highway": ["layers.0.units"]}}
    widths = {
        row.point["kind"]: row.matched.widths for row in read_results(kinds).rows if row.matched
    }
    assert list(widths["plain"]) == ["layers.0.units", "layers.1.units"]


def test_widths_are_solved_once(kinds: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    study(kinds)
    kept = Path("small.study/matched.json")
    held = json.loads(kept.read_text())
    for one in held.values():  # another version of layerkit might have found these
        one["widths"]["layers.0.units"] += 1
    kept.write_text(json.dumps(held))
    units = sorted(one["widths"]["layers.0.units"] for one in held.values())
    with monkeypatch.context() as patched:
        patched.setattr(matching, "matched", None)
        results = read_results(kinds), study(kinds)
    for found in results:
        assert units == sorted(r.matched.widths["layers.0.units"] for r in found.rows if r.matched)
    kinds["match"] |= {
        "tied": True,
        "allow": 0.1,
    }  # another question has another answer, beside the first
    study(kinds)
    assert len(json.loads(kept.read_text())) == 4
    one["widths"]["layers.0.units"] = "9"
    for damaged in ("{", json.dumps(held)):
        kept.write_text(damaged)
        with pytest.raises(StudyError, match=r"matched.json: expected solved widths"):
            study(kinds)


def test_seconds_are_measured_when_the_study_starts(
    kinds: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def ratio(spec: Any, to: Any) -> Ratio:
        measured.append(spec.name)
        return Ratio(0.9, 0.99, 1.1, 1e-6 * (1 + len(measured)))  # never twice the same

    monkeypatch.setattr(budget, "seconds_ratio", ratio)
    kinds["match"] = {"what": "seconds", "to": "highway"}
    assert [row.matched for row in read_results(kinds).rows] == [None] * 4
    assert measured == []
    first = study(kinds)
    assert len(measured) == 6
    assert {r.matched.interval is None for r in first.rows if r.matched} == {False}
    assert study(kinds).rows == read_results(kinds).rows == first.rows
    assert len(measured) == 6


def test_widths_that_another_process_has_measured_meanwhile_count(kinds: dict[str, Any]) -> None:
    study(kinds)
    folder = Path("small.study")
    solutions = solutions_in(folder)
    keep_solutions(folder, solutions, [])
    first = next(iter(solutions))
    with pytest.raises(StudyError, match="another process has solved the widths meanwhile"):
        keep_solutions(folder, {first: {**solutions[first], "cost": 1}}, [])
    assert solutions_in(folder) == solutions


WRONG: dict[str, tuple[Any, str]] = {
    "no object": (3, r"match \(line \d+\): expected an object such as .*, got 3"),
    "an unknown field": ({"too": 3}, r"match.too \(line \d+\): unknown field; did you mean 'to'"),
    "an unknown cost": (
        {"what": "watts"},
        r"match.what \(line \d+\): expected one of params, macs",
    ),
    "no target": ({"to": None}, r"match.to \(line \d+\): expected a cost, a label of the grid"),
    "a huge target": ({"to": 1e300}, r"match.to \(line \d+\): expected .*, got 1e.300"),
    "a negative target": (
        {"to": -3},
        r"match.to \(line \d+\): expected .* and < 1e.15, got -3",
    ),
    "a label that is none": ({"to": "highwy"}, r"match.to .*'highwy'; did you mean 'highway'"),
    "an axis that is none": (
        {"to": {"kin": "plain"}},
        r"match.to.kin .*an axis.*did you mean 'kind'",
    ),
    "no label of that axis": (
        {"to": {"kind": "2"}},
        r"match.to.kind .*a label of that axis, got '2'",
    ),
    "free that are no paths": ({"free": [1]}, r"match.free \(line \d+\): expected a list of paths"),
    "free by another label": ({"free": {"x": ["a"]}}, r"match.free.x .*expected a label.*got 'x'"),
    "ties that are no groups": (
        {"tied": ["layers.0.units"]},
        r"match.tied .*expected true, or a list",
    ),
    "too much allowed": ({"allow": 2}, r"match.allow \(line \d+\): expected a share of the cost"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_match_is_told_with_its_place(kinds: dict[str, Any], what: str) -> None:
    change, words = WRONG[what]
    match = {**kinds["match"], **change} if isinstance(change, dict) else change
    Path("study.json").write_text(json.dumps({**kinds, "match": match}, indent=1))
    with pytest.raises(SpecError, match=rf"study.json: {words}"):
        read_study("study.json")


def test_a_label_of_two_axes_must_be_told_apart(kinds: dict[str, Any]) -> None:
    kinds["grid"]["train.epochs"] = [1, 2]
    kinds["match"]["to"] = "2"
    with pytest.raises(SpecError, match=r"label of several axes.*\{\"layers.1.repeat\": \"2\"\}"):
        read_study(kinds)


def test_what_cannot_be_matched_is_told_with_its_point(kinds: dict[str, Any]) -> None:
    kinds["match"] = {"what": "params", "to": 50}
    Path("study.json").write_text(json.dumps(kinds, indent=1))
    words = r"study.json: match \(line \d+\): no widths come within 2 % of 50(.|\n)*"
    with pytest.raises(SpecError, match=rf"{words}at the point of the grid: kind highway, layers"):
        study("study.json")
    kinds["match"] = {"what": "params", "to": 900, "free": ["layers.1.units"]}
    with pytest.raises(SpecError, match=r"match.free: expected the path of a whole nu") as error:
        study(kinds)
    assert error.value.hint == "at the point of the grid: kind highway, layers.1.repeat 2"
    assert not Path("small.study").exists()
