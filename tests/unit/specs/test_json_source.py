"""JSON text to a tree: lines, overrides, and text that is no spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import layerkit
from layerkit import SpecError
from layerkit.specs.json_source import JsonSource, parse, spell
from layerkit.specs.overrides import override

GOOD = '{"layerkit": 1, "input": {"shape": [4]}, "layers": [{"type": "dense", "units": 3}]}'


def build(text: str | bytes, folder: Path) -> layerkit.Model:
    path = folder / "spec.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return layerkit.build(path)


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "JSON"),
    "blank": (" \n\n ", "JSON"),
    "trailing comma": ('{"layerkit": 1,}', "line 1, column 1"),
    "single quotes": ("{'layerkit': 1}", "JSON"),
    "comment": ("// hello\n" + GOOD, "JSON"),
    "two documents": (GOOD + "\n" + GOOD, "line 2"),
    "cut short": (GOOD[:-5], "JSON"),
    "NaN": (GOOD.replace("3", "NaN"), "NaN is not JSON"),
    "Infinity": (GOOD.replace("3", "Infinity"), "Infinity is not JSON"),
    "-Infinity": (GOOD.replace("3", "-Infinity"), "-Infinity is not JSON"),
    "duplicate key": (GOOD.replace('"units": 3', '"units": 3, "units": 4'), "'units' is given tw"),
    "duplicate at top": (GOOD.replace("{", '{"layerkit": 1, ', 1), "'layerkit' is given twice"),
    "list": ("[1, 2]", "JSON object"),
    "number": ("5", "JSON object"),
    "text": ('"dense"', "JSON object"),
    "null": ("null", "got null"),
    "true": ("true", "got true"),
    "latin-1": (GOOD.replace("dense", "d\xe4nse").encode("latin-1"), "UTF-8"),
    "utf-16": (GOOD.encode("utf-16"), "UTF-8"),
    "binary": (bytes(range(256)), "UTF-8"),
    "100k open brackets": ("[" * 100_000, "deep"),
    "100k open braces": ('{"a":' * 100_000, "deep"),
    "100k brackets in a field": (GOOD.replace("3", "[" * 100_000 + "]" * 100_000), "deep"),
    "a number of 5000 digits": (GOOD.replace("3", "3" * 5000), "large"),
    "a number of 400 digits": (GOOD.replace("3", "3" * 400), "large"),
}


@pytest.mark.parametrize(("text", "word"), BROKEN.values(), ids=BROKEN)
def test_text_that_is_no_spec(text: str | bytes, word: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        build(text, tmp_path)
    message = str(caught.value)
    assert word in message
    assert str(tmp_path / "spec.json") in message
    assert caught.value.path == str(tmp_path / "spec.json")
    assert len(message) < 600
    assert "  " not in message.replace("\n  ", "\n")


def test_a_byte_order_mark_is_let_through(tmp_path: Path) -> None:
    assert build(b"\xef\xbb\xbf" + GOOD.encode(), tmp_path).network.size == 15


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        layerkit.build(tmp_path / "none.json")


TWICE = """{
  "layerkit": 1,
  "input": {"shape": [4]},
  "layers": [
    {"type": "dense", "units": 3},
    {"type": "dense", "units": 3},
    {
      "type": "dense",
      "units": 3,
      "units": 4
    }
  ]
}"""


def test_a_key_given_twice_tells_its_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        build(TWICE, tmp_path)
    assert caught.value.line in (9, 10)


LINED = """{
  "layerkit": 1,
  "input":
    {"shape": [
      4, 5]},

  "layers": [
    {"type": "dense",
     "units": 3, "activation": "a \\" { [ , : } b"},
    {}, [],
    {"type": "x", "config": {"a": {}, "b": [1,
      2, {"c": null}]}}
  ],
  "end": true
}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("layerkit",), 2),
        (("input", "shape"), 4),
        (("input", "shape", 0), 5),
        (("input", "shape", 1), 5),
        (("layers",), 7),
        (("layers", 0), 8),
        (("layers", 0, "type"), 8),
        (("layers", 0, "units"), 9),
        (("layers", 0, "activation"), 9),
        (("layers", 1), 10),
        (("layers", 2), 10),
        (("layers", 3), 11),
        (("layers", 3, "config", "a"), 11),
        (("layers", 3, "config", "b", 1), 12),
        (("layers", 3, "config", "b", 2, "c"), 12),
        (("end",), 14),
        (("layers", 0, "missing"), 8),
        (("nowhere", 5, "deep"), 1),
        (("layers", 99), 7),
    ],
)
def test_every_field_knows_its_line(path: Any, line: int) -> None:
    assert parse(LINED).lines([path]) == [line]


def test_lines_with_other_line_ends() -> None:
    assert parse(LINED.replace("\n", "\r\n")).lines([("end",)]) == [14]


def test_without_text_there_are_no_lines() -> None:
    assert JsonSource({"a": 1}).lines([("a",), ()]) == [None, None]


def test_spelling_of_paths() -> None:
    assert spell(("layers", 2, "units")) == "layers[2].units"
    assert spell(()) == ""
    assert spell(("layers", 0), "spec.model") == "spec.model.layers[0]"


TREE = {"a": {"b": 1}, "l": [{"x": 1}, {"x": 2}], "n": None}


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("a.b=2", ("a", "b"), 2),
        ("a.b=-3", ("a", "b"), -3),
        ("a.b=1e-3", ("a", "b"), 0.001),
        ("a.b=true", ("a", "b"), True),
        ("a.b=null", ("a", "b"), None),
        ("a.b=tanh", ("a", "b"), "tanh"),
        ('a.b="5"', ("a", "b"), "5"),
        ("a.b=[1, 2]", ("a", "b"), [1, 2]),
        ('a.b={"c": 1}', ("a", "b"), {"c": 1}),
        ("a.b=x=y=z", ("a", "b"), "x=y=z"),
        ("a.b=", ("a", "b"), ""),
        ("a.b= spaced ", ("a", "b"), " spaced "),
        (" a.b =2", ("a", "b"), 2),
        ("l.0.x=5", ("l", 0, "x"), 5),
        ("l.-1.x=5", ("l", 1, "x"), 5),
        ("l.1=7", ("l", 1), 7),
        ("new=1", ("new",), 1),
        ("a.c.d=1", ("a", "c", "d"), 1),
    ],
)
def test_overrides(setting: str, path: Any, value: Any) -> None:
    kept = json.dumps(TREE)
    found = override(TREE, [setting])[0]
    for step in path:
        found = found[step]
    assert found == value
    assert type(found) is type(value)
    assert json.dumps(TREE) == kept


def test_overrides_are_applied_in_order() -> None:
    assert override(TREE, ["a.b=1", "a.b=2", "a.c=3", "a.c=4"])[0]["a"] == {"b": 2, "c": 4}


def test_what_is_null_may_be_filled() -> None:
    assert override(TREE, ["n.x=1"])[0]["n"] == {"x": 1}


BAD_SETTINGS = [
    "a.b",
    "=5",
    "  =5",
    "l.5.x=1",
    "l.-3.x=1",
    "l.x=1",
    "l.1.5=1",
    "a.b.c=1",
    "l.0.x.y=1",
    "l.=1",
    "a.b=" + "[" * 100_000,
    "a.b=" + "1" * 5000,
    "a.b=NaN",
    "a.b=Infinity",
]


@pytest.mark.parametrize("setting", BAD_SETTINGS, ids=lambda s: s[:12])
def test_overrides_that_cannot_be(setting: str) -> None:
    tree = {**TREE, "l": [{"x": 1}, 3]} if setting == "l.1.5=1" else TREE
    with pytest.raises(SpecError) as caught:
        override(tree, [setting])
    text = str(caught.value)
    assert setting[:12] in text
    assert "None" not in text
    assert len(text) < 500


def test_an_override_is_validated_like_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(GOOD)
    assert layerkit.build(path, settings=["layers.0.units=7"]).network.size == 35
    with pytest.raises(SpecError) as caught:
        layerkit.build(path, settings=["layers.0.units=-7"])
    assert caught.value.location == "layers[0].units"
    with pytest.raises(SpecError, match="did you mean 'units'"):
        layerkit.build(path, settings=["layers.0.unit=7"])
