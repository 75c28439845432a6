from __future__ import annotations

from typing import Any

import pytest

from layerkit.codec import Limits, layer_records
from layerkit.codec.layers import unowned_tensors
from layerkit.errors import (
    LimitExceededError,
    MalformedFileError,
    SpecError,
    UnsupportedFormatError,
)

Record = dict[str, Any]


def layer(name: str, *layers: Record, kind: str = "dense") -> Record:
    nested = {"layers": [*layers]} if layers else {}
    return {"type": kind, "name": name, "config": {}, **nested}


def header(*layers: Record, types: tuple[str, ...] = ("dense",), schema: int = 1) -> Record:
    return {
        "spec": {"schema": schema, "model": {"layers": [*layers]}},
        "types": dict.fromkeys(types),
        "tensors": [],
        "aliases": {},
    }


def test_walks_depth_first_in_order_of_application() -> None:
    found = layer_records(header(layer("a", layer("x", layer("y")), layer("z")), layer("b")))
    assert [(item.path, item.where) for item in found] == [
        ("a", "spec.model.layers[0]"),
        ("a.x", "spec.model.layers[0].layers[0]"),
        ("a.x.y", "spec.model.layers[0].layers[0].layers[0]"),
        ("a.z", "spec.model.layers[0].layers[1]"),
        ("b", "spec.model.layers[1]"),
    ]
    assert [item.record["name"] for item in found] == ["a", "x", "y", "z", "b"]


def test_a_model_may_have_no_layers() -> None:
    assert layer_records(header(types=())) == []


def test_names_may_repeat_but_not_among_siblings() -> None:
    assert len(layer_records(header(layer("a", layer("a"))))) == 2
    with pytest.raises(SpecError, match="repeated") as caught:
        layer_records(header(layer("a"), layer("a")))
    assert caught.value.location == "spec.model.layers[1].name"


@pytest.mark.parametrize(
    ("change", "location"),
    [
        ({"type": None}, "spec.model.layers[0].layers[1].type"),
        ({"type": "Dense"}, "spec.model.layers[0].layers[1].type"),
        ({"name": "a.b"}, "spec.model.layers[0].layers[1].name"),
        ({"name": "a" * 65}, "spec.model.layers[0].layers[1].name"),
        ({"name": "\x1b[31m"}, "spec.model.layers[0].layers[1].name"),
        ({"config": []}, "spec.model.layers[0].layers[1].config"),
        ({"layers": None}, "spec.model.layers[0].layers[1].layers"),
    ],
)
def test_a_wrong_record_is_a_spec_error_with_its_place(change: Record, location: str) -> None:
    with pytest.raises(SpecError) as caught:
        layer_records(header(layer("a", layer("x"), {**layer("y"), **change})))
    assert caught.value.location == location
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("key", ["type", "name", "config"])
def test_a_record_has_all_three_fields(key: str) -> None:
    record = layer("a")
    del record[key]
    with pytest.raises(SpecError, match="got nothing") as caught:
        layer_records(header(record))
    assert caught.value.location == f"spec.model.layers[0].{key}"


@pytest.mark.parametrize("layers", [None, {}, [None], ["dense"]])
def test_layers_are_an_array_of_records(layers: object) -> None:
    broken = header()
    broken["spec"]["model"] = {"layers": layers}
    with pytest.raises(SpecError, match=r"spec\.model\.layers"):
        layer_records(broken)


def test_a_newer_schema_is_unsupported_before_layers_are_looked_at() -> None:
    with pytest.raises(UnsupportedFormatError, match="newer layerkit") as caught:
        layer_records(header({"nonsense": 1}, schema=2))
    assert caught.value.needs == ("spec schema 2",)


@pytest.mark.parametrize(
    ("types", "word"), [((), "not described"), (("dense", "zz"), "'zz' is described but not used")]
)
def test_types_are_those_that_are_used(types: tuple[str, ...], word: str) -> None:
    with pytest.raises(MalformedFileError, match=word):
        layer_records(header(layer("a"), types=types))


def test_nested_layers_count_against_the_limit() -> None:
    nested = header(layer("a", layer("b"), layer("c")))
    assert len(layer_records(nested, limits=Limits(layers=3))) == 3
    with pytest.raises(LimitExceededError, match=r"Limits\.layers"):
        layer_records(nested, limits=Limits(layers=2))


def test_tensors_and_aliases_of_no_layer_are_found() -> None:
    whole = header(layer("a", layer("x")))
    names = [("a.x.W", "param"), ("a.y.W", "state"), ("x.W", "param"), ("history/q", "history")]
    whole["tensors"] = [{"name": name, "role": role} for name, role in names]
    whole["aliases"] = {"a.V": "a.x.W", "b.V": "a.x.W"}
    assert unowned_tensors(whole, layer_records(whole)) == ["a.y.W", "x.W", "b.V"]
