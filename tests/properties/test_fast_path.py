"""The fast path takes nothing that the strict validator refuses, and gives the same.

What the fast path takes is held against pydantic: values for annotations of every kind, whole
documents, and damaged model files, read with and without it.
"""

from __future__ import annotations

import copy
import io
import json
import math
import random
from collections.abc import Callable
from typing import Annotated, Any, Literal
from unittest.mock import sentinel

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import layerkit
from layerkit.core.parts import Part
from layerkit.discovery.registry import LAYERS, REGISTRIES
from layerkit.fields import ActivationName, Fraction, PartOf, Positive, Range, ScheduleName, Size
from layerkit.specs import resolve
from layerkit.specs.json_source import JsonSource, strict_json
from layerkit.specs.messages import Faults
from layerkit.specs.sections import SpecDocument
from layerkit.specs.validate import check_fields as checking
from layerkit.specs.validate.declare import fields_of
from layerkit.specs.validate.fast_path import NotPlainError, checker, fields_checker
from layerkit.specs.validate.strict import settings_model
from tests.fuzz import fuzz
from tests.fuzz.mutations import mutate
from tests.properties.test_spec import GOOD, PLACES, json_values

quiet = settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

ANNOTATIONS: list[Any] = [
    bool,
    int,
    float,
    str,
    Any,
    Size,
    Positive,
    Fraction,
    ActivationName,
    ScheduleName | None,
    Literal["a", "b"],
    Literal["a", 1, None, True],
    Annotated[int, Range(ge=-2, le=2)],
    Annotated[int, Range(gt=0, lt=7)],
    Annotated[float, Range(gt=0.5, le=7)],
    Annotated[float, Range(gt=0), Range(lt=3)],
    Annotated[str, "words that only describe"],
    Annotated[Any, PartOf("losses")],
    int | None,
    float | None,
    Size | None,
    Positive | Literal["auto"],
    int | float,
    float | int,
    bool | int | str,
    float | list[float],
    list[int],
    list[float],
    list[Size] | None,
    list[str] | list[int] | None,
    list[list[float]],
    tuple[int, ...],
    tuple[Fraction, ...] | float,
]
UNKNOWN: list[Any] = [
    dict[str, float],
    tuple[int, str],
    list,
    bytes,
    complex,
    Annotated[str, Range(ge=1)],
    Annotated[int | None, Range(ge=1)],
    Annotated[int, Range(gt=0.5)],
    Annotated[int, sentinel.unknown],
    "int",
    int | bytes,
    list[set[int]],
]

numbers = st.sampled_from([-3, -2, -1, 0, 1, 2, 3, 7, 8]) | st.integers() | st.floats()
numbers |= st.sampled_from([0.0, -0.0, 0.5, 1.0, 3.0, 1e300, 2**53, 2**53 + 1, 10**400])
numbers |= st.sampled_from([math.inf, -math.inf, math.nan])
words = st.sampled_from(["a", "b", "auto", "", "é", "\u2028", "\ud800", "1"]) | st.text(max_size=4)
singles = st.none() | st.booleans() | numbers | words
values: st.SearchStrategy[Any] = (
    singles | st.lists(singles, max_size=4) | st.lists(numbers, max_size=4) | json_values
)
values |= st.lists(st.lists(numbers, max_size=2), max_size=2)
values |= st.sampled_from([(1, 2), b"x", {1: 2}])


def part(annotation: Any, *default: Any) -> type[Part]:
    """A part with one setting."""

    def required(self: Any, *, x: Any) -> None: ...
    def optional(self: Any, *, x: Any = default[0] if default else None) -> None: ...

    init: Any = optional if default else required
    init.__annotations__ = {"x": annotation, "return": None}
    return type("One", (Part,), {"type_name": "test.one", "__init__": init})


def fast(kind: type[Part], config: Any) -> Any:
    """What the fast path makes of the settings; raises NotPlainError."""
    return fields_checker(fields_of(kind))(config)


def same(a: Any, b: Any) -> bool:
    """Equal, and of equal types all the way down."""
    return repr(a) == repr(b)


KINDS = [part(annotation) for annotation in ANNOTATIONS]


@pytest.mark.parametrize("index", range(len(ANNOTATIONS)))
@quiet
@given(value=values)
def test_what_is_taken_the_strict_validator_takes_too(index: int, value: Any) -> None:
    try:
        taken = fast(KINDS[index], {"x": value})
    except NotPlainError:
        return
    made = settings_model(KINDS[index])(x=value).model_dump(by_alias=True, warnings=False)
    assert same(taken, made)


@quiet
@given(st.data())
def test_unions_of_any_kinds(data: st.DataObject) -> None:
    """In unions each branch may convert, so what one takes another must not have taken too."""
    some = data.draw(st.lists(st.sampled_from(ANNOTATIONS[:24]), min_size=2, max_size=4))
    joined = some[0]
    for one in some[1:]:
        joined = joined | one if type(joined | one) is not type else joined
    kind = part(joined)
    for value in data.draw(st.lists(values, min_size=1, max_size=6)):
        try:
            taken = fast(kind, {"x": value})
        except NotPlainError:
            continue
        made = settings_model(kind)(x=value).model_dump(by_alias=True, warnings=False)
        assert same(taken, made), joined


@pytest.mark.parametrize(
    ("annotation", "value", "wanted"),
    [
        (bool, True, True),
        (int, -7, -7),
        (float, 0.5, 0.5),
        (float, 3, 3.0),
        (str, "é", "é"),
        (Size, 1, 1),
        (Fraction, 0, 0.0),
        (Literal["a", "b"], "b", "b"),
        (ActivationName, {"type": "relu"}, {"type": "relu"}),
        (int | None, None, None),
        (Positive | Literal["auto"], 2, 2.0),
        (list[str] | list[int] | None, [], []),
        (list[str] | list[int] | None, [1], [1]),
        (tuple[float, ...], [1, 2.5], [1.0, 2.5]),
    ],
)
def test_what_is_right_is_taken(annotation: Any, value: Any, wanted: Any) -> None:
    assert same(checker(annotation)(value), wanted)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (bool, 1),
        (int, True),
        (int, 1.0),
        (float, True),
        (float, math.nan),
        (float, math.inf),
        (float, 2**53 + 1),
        (str, 1),
        (str, "\ud800"),
        (Size, 0),
        (Fraction, 1),
        (Literal["a", 1], True),
        (list[int], (1,)),
        (list[int], [1, "2"]),
        (int | None, "x"),
    ],
)
def test_what_is_not_plainly_right_is_not(annotation: Any, value: Any) -> None:
    with pytest.raises(NotPlainError):
        checker(annotation)(value)


@pytest.mark.parametrize("annotation", UNKNOWN, ids=str)
def test_kinds_that_are_not_known_are_never_taken(annotation: Any) -> None:
    with pytest.raises(NotPlainError):
        checker(annotation)


@pytest.mark.parametrize("default", [{1, 2}, [sentinel.unknown], b"x", {"a": 1}], ids=str)
def test_an_odd_default_is_left_to_the_strict_validator(default: Any) -> None:
    with pytest.raises(NotPlainError):
        fast(part(int, default), {})


@pytest.mark.parametrize("default", [None, 3, "x", (1, 2), [0.5, [True]]], ids=str)
def test_defaults_are_filled_in_as_they_stand(default: Any) -> None:
    kind = part(int, default)
    made = settings_model(kind)().model_dump(by_alias=True, warnings=False)
    assert same(strict_json(fast(kind, {})), strict_json(made))


@pytest.mark.parametrize("config", [{}, {"x": 1, "y": 1}, {"X": 1}, [], None])
def test_a_field_that_is_missing_or_too_many(config: Any) -> None:
    with pytest.raises(NotPlainError):
        fast(part(int), config)


@pytest.mark.parametrize("kind", list(REGISTRIES))
def test_every_part_of_our_own_is_known(kind: str) -> None:
    registry = REGISTRIES[kind]
    parts: list[type[Part]] = [registry[name] for name in registry.names()]
    ours = [part for part in parts if registry.origin(part).dist == "layerkit"]
    assert ours
    for found in ours:
        fields_checker(fields_of(found))  # raises NotPlainError for a kind that is not known


# --- whole documents ---


def held_against_the_strict(tree: Any) -> bool:
    """Whether the fast path takes the document; the strict one must then give the same."""
    try:
        taken = fields_checker(fields_of(SpecDocument))(tree)
    except NotPlainError:
        return False
    made = settings_model(SpecDocument)(**tree).model_dump(by_alias=True, warnings=False)
    assert same(taken, made)
    return True


def test_good_documents_are_taken() -> None:
    assert held_against_the_strict(GOOD)
    assert held_against_the_strict({"layerkit": 1, "input": {"shape": [4]}, "layers": []})
    full = layerkit.build(GOOD).spec.to_document()
    assert held_against_the_strict(json.loads(json.dumps(full)))


@quiet
@given(st.sampled_from(PLACES), values)
def test_any_value_in_any_place(path: tuple[Any, ...], value: Any) -> None:
    tree = copy.deepcopy(GOOD)
    owner = tree
    for step in path[:-1]:
        owner = owner[step]
    owner[path[-1]] = value
    held_against_the_strict(tree)


@quiet
@given(st.sampled_from(PLACES))
def test_any_place_left_out(path: tuple[Any, ...]) -> None:
    tree = copy.deepcopy(GOOD)
    owner = tree
    for step in path[:-1]:
        owner = owner[step]
    del owner[path[-1]]
    held_against_the_strict(tree)


def test_what_is_read_shares_nothing_with_what_was_written() -> None:
    written = copy.deepcopy(GOOD)
    spec = resolve(JsonSource(written))
    assert spec.train is not None
    spec.input["scale"]["divide"] = 99
    spec.train["metrics"].append("loss")
    spec.train["class_weights"]["b"] = 3
    assert written == GOOD


# --- files ---


def refuse(*_: Any) -> Any:
    raise NotPlainError


@pytest.fixture
def strictly(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Turns the fast path off and on."""

    def turn(off: bool) -> None:
        monkeypatch.undo()
        if off:
            monkeypatch.setattr(checking, "_CHECKS", {})
            monkeypatch.setattr(checking, "_fast_check", lambda _: refuse)

    return turn


def told(raw: bytes) -> str:
    """What loading the file gives: the whole spec, or the error with all its words."""
    try:
        model = layerkit.load(io.BytesIO(raw))
    except layerkit.LayerkitError as error:
        return f"{type(error).__name__}: {error}"
    return repr(model.spec.to_document())


def test_the_strict_way_alone_reads_the_same(strictly: Callable[[bool], None]) -> None:
    """Damaged files, most of them signed again: the same model, or the same words."""
    stock = fuzz.bases()
    files = [mutate(random.Random(f"quick:{k}"), stock)[1] for k in range(600)]  # noqa: S311
    files += [base.raw for base in stock]
    quickly = [told(raw) for raw in files]
    strictly(True)
    assert [told(raw) for raw in files] == quickly
    assert sum("Error" not in word for word in quickly) > 50
    assert sum("SpecError" in word for word in quickly) > 10


def test_turning_it_off_is_seen(strictly: Callable[[bool], None]) -> None:
    """The comparison above would be empty if the switch did nothing."""
    owners: list[Any] = [SpecDocument, LAYERS["dense"]]
    strictly(True)
    for owner in owners:
        checking.check_fields(owner, {"units": 3}, (), Faults(JsonSource({})))
        with pytest.raises(NotPlainError):
            checking._CHECKS[owner]({"units": 3})
    strictly(False)
    checking.check_fields(owners[1], {"units": 3}, (), Faults(JsonSource({})))
    assert checking._CHECKS[owners[1]]({"units": 3})["units"] == 3
    with pytest.raises(ValidationError):
        settings_model(SpecDocument)(layers=3)
