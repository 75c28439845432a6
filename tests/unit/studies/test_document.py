"""What a study may say, and what its messages say where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from layerkit import PathError, SpecError
from layerkit.studies.document import read_study


def test_the_points_are_all_combinations_in_the_order_of_the_file(small: dict[str, Any]) -> None:
    plan = read_study(small)
    assert plan.axes == ("layers.1.repeat", "layers.1.gate_bias")
    assert [p.title for p in plan.points] == ["1, -1", "1, -3", "2, -1", "2, -3", "3, -1", "3, -3"]
    assert plan.seeds == (0, 1)
    last = plan.points[-1].spec
    assert last.name == "highway-digits-3-3"
    assert [r.type for r in last.layers] == ["dense", *["highway"] * 3, "dense"]


def test_an_axis_of_named_alternatives_sets_fields_together(small: dict[str, Any]) -> None:
    plain = {"type": "dense", "units": 8, "activation": "tanh"}
    small["grid"] = {"kind": {"gated": {}, "plain": {"layers.1": plain}}, "train.epochs": [1, 2]}
    points = read_study(small).points
    assert [p.labels for p in points] == [
        {"kind": "gated", "train.epochs": "1"},
        {"kind": "gated", "train.epochs": "2"},
        {"kind": "plain", "train.epochs": "1"},
        {"kind": "plain", "train.epochs": "2"},
    ]
    assert [p.spec.layers[1].type for p in points] == ["highway"] * 2 + ["dense"] * 2


def test_values_that_are_parts_are_named_after_their_type(small: dict[str, Any]) -> None:
    small["grid"] = {"train.optimizer": [{"type": "adam"}, {"type": "momentum"}]}
    assert [p.title for p in read_study(small).points] == ["adam", "momentum"]
    small["grid"] = {"train.optimizer": [{"type": "adam"}, {"type": "adam", "beta1": 0.8}]}
    titles = [p.title for p in read_study(small).points]
    assert titles == ['{"type": "adam"}', '{"type": "adam", "bet...']


def test_seeds_count_from_the_recipe_or_are_listed(small: dict[str, Any]) -> None:
    small |= {"spec": _with_seed(5), "seeds": 3, "grid": {}}
    assert read_study(small).seeds == (5, 6, 7)
    small["seeds"] = [3, 1]
    assert read_study(small).seeds == (3, 1)


def _with_seed(seed: int) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "input": {"shape": [64]},
        "layers": [{"type": "dense", "units": 10}],
        "train": {"data": "digits", "seed": seed},
    }


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt field": (
        {"grids": {}},
        r"study.json: grids \(line \d+\): unknown field; did you mean 'grid'",
    ),
    "another version": (
        {"layerkit_study": 2},
        r"layerkit_study \(line 2\): expected 1, the version of the form, got 2",
    ),
    "no spec": ({"spec": 3}, r"spec \(line \d+\): expected a spec.*, got 3"),
    "a value twice": (
        {"grid": {"layers.1.repeat": [1, 2, 2]}},
        r"grid.layers.1.repeat \(line \d+\): expected different values, got 2 twice",
    ),
    "a bad name": ({"name": "a/b"}, r"name \(line \d+\): expected a name of at most 64.*'a/b'"),
    "no seeds": ({"seeds": 0}, r"seeds \(line \d+\): expected a count from 1 to 1,000.*got 0"),
    "a seed twice": ({"seeds": [1, 1]}, r"seeds \(line \d+\): .*distinct integers.*\[1, 1\]"),
    "a grid that is a list": ({"grid": [1]}, r"grid \(line \d+\): expected an object of axes"),
    "an axis without values": (
        {"grid": {"train.epochs": []}},
        r"grid.train.epochs \(line \d+\): expected a list of values.*got \[\]",
    ),
    "seeds in the grid": (
        {"grid": {"train.seed": [1, 2]}},
        r"grid.train.seed \(line \d+\): seeds are no field of the grid",
    ),
    "a path that is none": ({"set": {"a=b": 1}}, r"set \(line \d+\): expected the path of a field"),
    "a path that leads nowhere": (
        {"grid": {"train.epoch": [1]}},
        r"study.json: grid train.epoch=1: unknown field.*did you mean 'epochs'"
        r"(.|\n)*at the point of the grid: train.epoch 1",
    ),
    "an index that does not exist": (
        {"grid": {"layers.9.repeat": [1]}},
        r"study.json: grid layers.9.repeat=1: layers is a list of 3 items(.|\n)*at the point",
    ),
    "a value that is wrong at one point": (
        {"grid": {"layers.1.repeat": [1, 2], "layers.1.type": ["highway", "highwy"]}},
        r"study.json: grid layers.1.type=.highwy.: (.|\n)*"
        r"at the point of the grid: layers.1.repeat 1, layers.1.type highwy",
    ),
    "data that are no path": ({"data": {"x": 1}}, r"data \(line \d+\): expected a path"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_study_is_told_with_its_place(small: dict[str, Any], what: str) -> None:
    changes, expected = WRONG[what]
    Path("study.json").write_text(json.dumps({**small, **changes}, indent=1))
    with pytest.raises(Exception, match=expected) as caught:
        read_study("study.json")
    assert isinstance(caught.value, ValueError | LookupError)
    assert len(max(str(caught.value).split("\n"), key=len)) < 300


@pytest.mark.parametrize("text", ["[]", "{", '{"layerkit_study": 1, "layerkit_study": 1}', "\xff"])
def test_what_is_no_study_at_all_is_refused(small: dict[str, Any], text: str) -> None:
    Path("study.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(SpecError, match=r"study\.json: "):
        read_study("study.json")


def test_a_spec_without_a_recipe_is_refused(small: dict[str, Any]) -> None:
    spec = {k: v for k, v in _with_seed(0).items() if k != "train"}
    with pytest.raises(SpecError, match="expected a spec with a training section"):
        read_study({"layerkit_study": 1, "spec": spec})


@pytest.mark.usefixtures("small")
def test_a_spec_in_the_place_of_a_study_is_told() -> None:
    Path("net.json").write_text(json.dumps(_with_seed(0)))
    with pytest.raises(SpecError, match=r"net.json: layerkit \(line 1\): this is a spec; a study"):
        read_study("net.json")
    with pytest.raises(PathError, match="highway-digits is a ready spec; a study is a file that"):
        read_study("highway-digits")


def test_a_spec_that_is_not_there_is_told_with_what_names_it(small: dict[str, Any]) -> None:
    Path("study.json").write_text(json.dumps({**small, "spec": "none.json"}))
    with pytest.raises(PathError, match=r"none\.json\nnamed by the field 'spec' of study"):
        read_study("study.json")


def test_a_mistake_in_the_spec_is_told_as_one_of_its_file(small: dict[str, Any]) -> None:
    Path("study.json").write_text(json.dumps({**small, "spec": "net.json"}))
    Path("net.json").write_text("1,2")
    told = r"^net.json: not valid JSON(.|\n)*named by the field 'spec' of study.json\nat the point"
    with pytest.raises(SpecError, match=told):
        read_study("study.json")
    Path("net.json").write_text(json.dumps({**_with_seed(0), "outputs": 1}, indent=1))
    plain = {"layerkit_study": 1, "spec": "net.json", "grid": {"train.epochs": [1, 2]}}
    Path("study.json").write_text(json.dumps(plain))
    with pytest.raises(SpecError, match=r"^net.json: outputs \(line \d+\): unknown field"):
        read_study("study.json")


@pytest.mark.usefixtures("small")
def test_the_folder_of_a_study_leads_to_its_file() -> None:
    Path("small.study").mkdir()
    Path("small.study/study.json").write_text("{}")
    with pytest.raises(PathError, match=r"layerkit study small\.study/study\.json -o small\.study"):
        read_study("small.study")


def test_a_study_without_a_spec_is_told(small: dict[str, Any]) -> None:
    del small["spec"]
    with pytest.raises(SpecError, match=r"expected a spec: .*, got nothing"):
        read_study(small)
