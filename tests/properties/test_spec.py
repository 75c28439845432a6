"""Whatever JSON comes, resolving it gives a spec or one of layerkit's own errors."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layerkit import LayerkitError, SpecError
from layerkit.specs import read_spec
from layerkit.specs.json_source import parse
from layerkit.specs.overrides import override

quiet = settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 20)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["dense", "highway", "tanh", "relu", "mse", "adam", "digits", "loss"])
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["type", "units"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)

GOOD: dict[str, Any] = {
    "layerkit": 1,
    "name": "m",
    "input": {"shape": [4], "scale": {"divide": 2}, "missing": 0.5},
    "layers": [
        {"type": "dense", "units": 5, "activation": {"type": "leaky_relu", "slope": 0.1}},
        {"type": "highway", "repeat": 2},
        {"type": "projection", "units": 3},
    ],
    "output": {"classes": ["a", "b", "c"], "column": "c"},
    "train": {
        "data": "digits",
        "loss": {"type": "softmax_cross_entropy"},
        "optimizer": {"type": "adam", "learning_rate": 0.1},
        "schedule": {"type": "warmup", "then": "cosine"},
        "metrics": ["accuracy", {"type": "top_k", "k": 2}],
        "early_stopping": {"metric": "loss"},
        "class_weights": {"a": 2},
        "validation": 0.1,
    },
}


def places(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    if isinstance(tree, (dict, list)):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for key, value in items:
            found += places(value, (*at, key))
    return found


PLACES = places(GOOD)


def read(tree: Any) -> None:
    """Resolve; what resolves is a fixed point, what does not is told in layerkit's own words."""
    try:
        found = read_spec(tree)
    except LayerkitError as error:
        text = str(error)
        assert "pydantic" not in text
        assert "errors.pydantic" not in text
        assert len(text) <= 4000
        if isinstance(error, SpecError):
            assert error.faults  # noqa: PT017
        return
    document = found.to_document()
    assert read_spec(json.loads(json.dumps(document))).to_document() == document


@quiet
@given(json_values.filter(lambda value: not isinstance(value, str)))  # text is a path
def test_any_json(value: Any) -> None:
    read(value)


@quiet
@given(st.sampled_from(PLACES), json_values)
def test_any_value_in_any_place(path: tuple[Any, ...], value: Any) -> None:
    tree = copy.deepcopy(GOOD)
    owner = tree
    for step in path[:-1]:
        owner = owner[step]
    owner[path[-1]] = value
    read(tree)


@quiet
@given(st.sampled_from(PLACES))
def test_any_place_left_out(path: tuple[Any, ...]) -> None:
    tree = copy.deepcopy(GOOD)
    owner = tree
    for step in path[:-1]:
        owner = owner[step]
    del owner[path[-1]]
    read(tree)


@quiet
@given(st.text(max_size=40), st.integers(0, 200), st.integers(0, 200))
def test_any_text(noise: str, start: int, length: int) -> None:
    """A good spec with a piece replaced by noise: parsed, or refused as a spec."""
    text = json.dumps(GOOD, indent=1)
    changed = text[:start] + noise + text[start + length :]
    try:
        source = parse(changed, name="x.json")
    except SpecError as error:
        assert "x.json" in str(error)  # noqa: PT017
        return
    for path in places(source.tree):
        line = source.lines([path])[0]
        assert line is not None
        assert 1 <= line <= changed.count("\n") + 1
    if not isinstance(source.tree, str):
        read(source.tree)


@quiet
@given(json_values)
def test_lines_are_those_of_the_text(value: Any) -> None:
    """Written one item a line, every field's line holds its key or value."""
    tree = {"a": value, "b": [value, {"c": value}]}
    text = json.dumps(tree, indent=1)
    source = parse(text)
    lines = text.split("\n")
    for path in places(tree):
        at = source.lines([path])[0]
        assert at is not None
        if isinstance(path[-1], str):
            assert json.dumps(path[-1]) + ":" in lines[at - 1]


paths = st.lists(
    st.sampled_from(["layers", "train", "0", "-1", "units", "name", "x", ""]) | st.text(max_size=4),
    min_size=1,
    max_size=4,
).map(".".join)


@quiet
@given(st.tuples(paths, st.text(max_size=12) | st.sampled_from(["1", "null", "{}", "[1]", "x"])))
def test_any_mistaken_override_is_told_as_such(setting: tuple[str, str]) -> None:
    text = "=".join(setting)
    told = ""
    try:
        read_spec(GOOD, settings=["name=fine", text])
    except LayerkitError as error:
        told = str(error)
    assert not told or "settings[1] " in told


@quiet
@given(st.lists(st.tuples(paths, st.text(max_size=12)).map("=".join) | st.text(max_size=10)))
def test_any_override(settings_: list[str]) -> None:
    kept = json.dumps(GOOD)
    try:
        changed, _ = override(GOOD, settings_)
    except SpecError:
        pass
    else:
        read(changed)
    assert json.dumps(GOOD) == kept
