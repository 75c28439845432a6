"""The checks of rows on tables made for them, text columns among them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layerkit import Finding, Rows
from layerkit.core.parts import Target
from layerkit.datacontract import DataContract, InputContract, OutputContract
from layerkit.health.check_columns import constant_columns, duplicate_columns, leaks, repeated_rows
from layerkit.health.check_inputs import unscaled_inputs, unscaled_targets
from layerkit.health.check_labels import constant_labels, skewed_classes
from layerkit.health.table import Table
from layerkit.specs import read_spec
from tests.unit.health.planted import table_spec

rng = np.random.default_rng(0)
N = 400
ANSWER = rng.integers(0, 3, N)
PLAIN = {"a": rng.standard_normal(N), "b": rng.standard_normal(N)}


def made(
    columns: dict[str, Any], y: Any = ANSWER, *, target: Target = "class", classes: int = 3
) -> Table:
    """A table of raw columns; what the network would get of text is 0."""
    names = list(columns)
    spec = read_spec(
        table_spec(names, {"targets": ["t"]}, 1) if target == "real" else table_spec(names)
    )
    x = np.zeros((len(y), len(names)), np.float32)
    for j, cells in enumerate(columns.values()):
        if np.asarray(cells).dtype.kind == "f":
            x[:, j] = cells
    names_of_classes = tuple(f"c{i}" for i in range(classes)) if target != "real" else None
    targets = ("t",) if target == "real" else None
    output = OutputContract((max(classes, 1),), classes=names_of_classes)
    if target == "real":
        output = OutputContract((1,), targets=targets)
    contract = DataContract(InputContract((len(names),), columns=tuple(names)), output)
    return Table(spec, contract, Rows(columns=columns), x, np.asarray(y), target)


def only(findings: Any) -> Finding:
    finding: Finding
    (finding,) = findings
    return finding


def test_a_text_column_that_gives_the_answer() -> None:
    word = np.array(["red", "green", "blue"])[ANSWER]
    finding = only(leaks(made({**PLAIN, "word": word})))
    assert "'word' alone gives the answer: 100 %" in finding.text
    assert dict(finding.changes) == {"input.columns": ["a", "b"]}


def test_a_text_column_that_is_other_in_each_row_gives_nothing_on_held_out_rows() -> None:
    names = np.array([f"row {i}" for i in range(N)])
    assert list(leaks(made({**PLAIN, "name": names}))) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_score_that_parts_the_classes_gives_the_answer_in_few_rows(seed: int) -> None:
    draw = np.random.default_rng(seed)
    answer = (draw.random(300) < 0.35).astype(int)
    columns = {"a": draw.standard_normal(300), "score": answer + 0.1 * draw.random(300)}
    finding = only(leaks(made(columns, answer, classes=2)))
    assert finding.text.startswith("'score' alone gives the answer")


def test_a_column_that_says_much_but_not_all_is_no_leak() -> None:
    good = ANSWER + 0.3 * rng.standard_normal(N)
    assert list(leaks(made({**PLAIN, "good": good}))) == []


def test_a_number_that_gives_a_number() -> None:
    y = rng.standard_normal((N, 1))
    leak = np.exp(y[:, 0])
    finding = only(leaks(made({**PLAIN, "leak": leak}, y, target="real")))
    assert finding.text.startswith("'leak' alone gives the answer")
    noisy = leak + 0.5 * rng.standard_normal(N)
    assert list(leaks(made({**PLAIN, "leak": noisy}, y, target="real"))) == []


def test_rows_with_several_answers_are_left_out() -> None:
    targets = np.stack([PLAIN["a"], PLAIN["b"]], axis=1)  # an autoencoder's: its inputs
    assert list(leaks(made(PLAIN, targets, target="real"))) == []
    steps = np.stack([ANSWER, rng.permutation(ANSWER)], axis=1)
    word = np.array(["red", "green", "blue"])[ANSWER]
    table = made({**PLAIN, "word": word}, steps)
    output = OutputContract((2, 3), classes=("c0", "c1", "c2"))
    contract = DataContract(table.contract.input, output)
    stepped = Table(table.spec, contract, table.rows, table.x, table.y, table.target)
    assert list(leaks(stepped)) == []


def test_copies_on_another_scale_and_as_other_words() -> None:
    half = np.array(["no", "yes"])[(PLAIN["a"] > 0).astype(int)]
    other = np.array(["f", "t"])[(PLAIN["a"] > 0).astype(int)]
    columns = {**PLAIN, "c": 5 - 2 * PLAIN["a"], "half": half, "other": other}
    finding = only(duplicate_columns(made(columns)))
    assert "'c' as 'a', 'other' as 'half'" in finding.text
    assert dict(finding.changes) == {"input.columns": ["a", "b", "half"]}


@pytest.mark.parametrize(("others", "found"), [(0, True), (1, True), (40, False)])
def test_columns_with_one_value_in_nearly_all_rows(others: int, found: bool) -> None:
    k = np.zeros(1001)
    k[:others] = 7.0
    y = rng.integers(0, 3, 1001)
    table = made({"a": rng.standard_normal(1001), "k": k}, y)
    assert bool(list(constant_columns(table))) is found


def test_classes_are_skewed_from_ten_to_one_on() -> None:
    nine = np.repeat([0, 1], [360, 40])
    ten = np.repeat([0, 1], [370, 36])
    assert list(skewed_classes(made({"a": np.zeros(400)}, nine, classes=2))) == []
    table = made({"a": np.zeros(406)}, ten, classes=2)
    finding = only(skewed_classes(table))
    assert "class 'c0' has 370 rows and 'c1' 36" in finding.text
    weighed = replace(table, spec=table.spec.with_train(class_weights="balanced"))
    assert list(skewed_classes(weighed)) == []


def test_flags_count_as_two_classes() -> None:
    flags = np.repeat([0.0, 1.0], [380, 20])[:, None]
    finding = only(skewed_classes(made({"a": np.zeros(400)}, flags, target="binary", classes=2)))
    assert "always giving 'c0' is right on 95 %" in finding.text


def test_constant_targets() -> None:
    same = np.full((N, 1), 3.5)
    assert only(constant_labels(made(PLAIN, same, target="real"))).field == "output.targets"
    assert list(constant_labels(made(PLAIN))) == []


@pytest.mark.parametrize(
    ("size", "found"), [(1.0, False), (9.0, False), (30.0, True), (0.02, False), (0.003, True)]
)
def test_inputs_and_targets_of_a_size_far_from_1(size: float, found: bool) -> None:
    spec = read_spec(table_spec(["a", "b"]))
    x = rng.standard_normal((N, 2))
    x[:, 1] *= size
    assert bool(list(unscaled_inputs(spec, x, ["a", "b"]))) is found
    y = size * rng.standard_normal((N, 1))
    assert bool(list(unscaled_targets(made(PLAIN, y, target="real")))) is found


def test_rare_flags_are_not_too_small() -> None:
    x = np.zeros((50_000, 2))
    x[:, 0] = rng.standard_normal(50_000)
    x[0, 1] = 1.0
    assert list(unscaled_inputs(read_spec(table_spec(["a", "b"])), x, ["a", "b"])) == []


def test_pixels_that_are_nearly_always_0_are_not_too_small() -> None:
    x = rng.random((N, 3))
    x[:, 2] = 0
    x[0, 2] = 0.01
    spec = read_spec({**table_spec(["a"]), "input": {"shape": [3]}})
    assert list(unscaled_inputs(spec, x, None)) == []
    assert list(unscaled_inputs(spec, x * 0.004, None)) != []


@pytest.mark.parametrize(
    ("copies", "severities"),
    [(0, []), (3, ["notice"]), (40, ["warning"])],
    ids=["none", "few", "many"],
)
def test_test_rows_that_were_trained_on(copies: int, severities: list[str]) -> None:
    table = made(PLAIN)
    x = rng.standard_normal((100, 2)).astype(np.float32)
    y = rng.integers(0, 3, 100)
    x[:copies], y[:copies] = table.x[:copies], ANSWER[:copies]
    findings = list(repeated_rows(replace(table, test_x=x, test_y=y)))
    assert [one.severity for one in findings] == severities


def test_coarse_columns_are_not_taken_for_copies() -> None:
    few = {"a": rng.integers(0, 3, N).astype(float), "b": rng.integers(0, 2, N).astype(float)}
    table = made(few)
    x, y = table.x[::2], rng.integers(0, 3, N // 2)
    found = {one.check: one.severity for one in repeated_rows(replace(table, test_x=x, test_y=y))}
    assert found["test rows seen in training"] == "notice"


def test_equal_rows_of_other_labels_are_not_the_same() -> None:
    table = made(PLAIN)
    again = replace(table, test_x=table.x, test_y=(ANSWER + 1) % 3)
    assert list(repeated_rows(again)) == []
