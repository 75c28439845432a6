"""Columns of the input section: what they resolve to, and when two specs are the same."""

from typing import Any

import pytest

from layerkit.specs import read_spec
from layerkit.specs.columns import before_learning, inputs_of

LEARN = {"name": "c", "categories": "learn"}
LISTED = {"name": "c", "categories": ["x", "y"]}


def resolved(*columns: Any, **given: Any) -> dict[str, Any]:
    layers = [{"type": "dense", "units": 2}]
    section = {"columns": list(columns)} if columns else {"shape": [3]}
    document = {"layerkit": 1, "input": {**section, **given}, "layers": layers}
    return read_spec(document).to_document()


def test_defaults_are_filled_in() -> None:
    listed, learned = (resolved("a", c)["input"]["columns"][1] for c in (LISTED, LEARN))
    assert listed == {**LISTED, "unknown": "error", "missing": "error"}
    assert learned == {**LEARN, "max": 64, "unknown": "error", "missing": "error"}


@pytest.mark.parametrize(("missing", "width"), [("error", 2), ("category", 3)])
def test_the_width_follows_from_the_list(missing: str, width: int) -> None:
    read = read_spec(resolved("a", {**LISTED, "missing": missing}))
    assert inputs_of(read.input["columns"][1]) == width
    assert read.in_shape == (1 + width,)
    assert read.column_names == ("a", "c")


@pytest.mark.parametrize(
    ("theirs", "ours", "same"),
    [
        (resolved("a", LISTED), resolved("a", LEARN), True),
        (resolved("a", {**LISTED, "unknown": "other"}), resolved("a", LEARN), True),
        (resolved("a", {**LISTED, "missing": "category"}), resolved("a", LEARN), False),
        (resolved("a", LISTED), resolved("a", {**LEARN, "unknown": "other"}), False),
        (resolved("a", "c"), resolved("a", LEARN), False),
        (resolved("b", LISTED), resolved("a", LEARN), False),
        (resolved("a", LISTED), resolved("a", {**LISTED, "categories": ["x"]}), False),
        (resolved(), resolved(), True),
        (resolved(), resolved("a", LEARN), False),
        (resolved("a", LISTED), resolved(), False),
        (resolved("a", LISTED), resolved("a", {**LISTED, "categories": ["x", "y"]}), True),
        ({"input": 5}, resolved("a", LEARN), False),
        ({"input": {"columns": [None, 3]}}, resolved("a", LEARN), False),
    ],
)
def test_what_a_training_of_the_same_spec_has_left(
    theirs: dict[str, Any], ours: dict[str, Any], same: bool
) -> None:
    assert (before_learning(theirs, ours) == ours) is same
