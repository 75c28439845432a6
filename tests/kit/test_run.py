"""Running: what is planned is counted, exceptions are kept to, one seed gives one report."""

from __future__ import annotations

import importlib
import json
import os
import sys
import unittest
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, Plan, Shape
from layerkit.discovery.registry import REGISTRIES
from layerkit.testing import (
    ConformanceError,
    Report,
    central_differences,
    check_layer,
    check_part,
    checks,
    rules_for,
)
from layerkit.testing.central_differences import Slopes, slopes
from layerkit.testing.subject import Subject
from tests.kit.excused import Excused, Together
from tests.kit.planted import LostPath, RedrawnMask
from tests.kit.sound import Carry


def without_times(report: Report) -> dict[str, Any]:
    told = report.as_dict()
    for check in told["checks"]:
        del check["seconds"]
    return told


def test_all_that_is_planned_is_counted() -> None:
    report = check_layer(Carry)
    counts = report.counts
    assert counts["planned"] == len(rules_for("layers")) == len(report.outcomes)
    assert counts["run"] + counts["skipped"] == counts["planned"]
    assert counts["failed"] == counts["not run"] == 0
    assert all(o.message for o in report.outcomes if o.status == "skipped")
    assert report.ok


def test_fewer_run_than_planned_is_a_failure() -> None:
    report = check_layer(Carry, only=["plan.*"])
    assert report.ok
    short = replace(report, outcomes=report.outcomes[:-1])
    assert not short.ok
    assert short.counts["not run"] == 1
    with pytest.raises(ConformanceError, match="DOES NOT CONFORM"):
        short.raise_if_failed()
    assert not replace(report, planned=(), outcomes=()).ok


def test_a_failed_foundation_leaves_the_rest_not_run() -> None:
    from tests.kit.planted import WrongShape

    report = check_layer(WrongShape, only=["plan.shape", "gradient.inputs"])
    assert [o.status for o in report.outcomes] == ["failed", "not run"]
    assert report["gradient.inputs"].message == "builds on plan.shape, which failed"
    alone = check_layer(WrongShape, only="gradient.inputs")
    assert alone.counts == {**alone.counts, "planned": 1, "run": 0, "skipped": 0, "not run": 1}
    assert not alone.ok


def test_one_seed_gives_one_report_and_another_seed_another() -> None:
    first, again = (check_layer(LostPath, only="gradient.*", seed=5) for _ in range(2))
    assert without_times(first) == without_times(again)
    other = check_layer(LostPath, only="gradient.*", seed=6)
    assert other["gradient.inputs"].status == "failed"
    assert other["gradient.inputs"].message != first["gradient.inputs"].message


def test_every_random_number_follows_from_the_seed_and_a_name() -> None:
    one, same, other = (Subject(Carry, seed=seed).rng("x", 3).random() for seed in (1, 1, 2))
    assert one == same != other
    assert Subject(Carry, seed=1).rng("y", 3).random() != one


def test_the_order_of_checks_does_not_matter() -> None:
    whole = check_layer(LostPath)
    for rule in ("gradient.inputs", "batch.split", "plan.pure"):
        alone = check_layer(LostPath, only=rule)[rule]
        assert replace(alone, seconds=0) == replace(whole[rule], seconds=0)


@pytest.mark.parametrize("seed", range(5))
def test_sound_layers_conform_under_any_seed(seed: int) -> None:
    only = ["gradient.*", "scale.*", "batch.*", "input.*", "memory.*", "stochastic.*"]
    check_layer(Carry, only=only, seed=seed).raise_if_failed()


def test_the_report_is_json_and_text() -> None:
    report = check_layer(LostPath, only=["plan.*", "gradient.*"])
    told = json.loads(json.dumps(report.as_dict()))
    assert told["ok"] is False
    assert told["counts"]["failed"] == 1
    assert told["part"] == "kit.lostpath"
    (failed,) = [check for check in told["checks"] if check["status"] == "failed"]
    assert failed["id"] == "gradient.inputs"
    assert failed["seed"] == 0
    assert failed["again"].endswith("--only gradient.inputs --seed 0")
    for word in ("why", "hint", "message"):
        assert failed[word]
    text = report.text()
    assert "FAILED  gradient.inputs" in text
    assert "1 failed" in text.splitlines()[-1]
    assert max(map(len, text.splitlines())) <= 200


# ---- exceptions


def test_an_expected_failure_is_counted_and_keeps_its_reason() -> None:
    report = check_layer(Together)
    assert report["batch.split"].status == "expected failure"
    assert report["batch.split"].message == "rows are centred together, on purpose"
    assert report["state.settles"].message == "training does not centre them"
    assert report.counts["expected failures"] == 2
    assert "expected failure: batch.split: rows are centred together" in report.text()
    assert report.ok, report.text()
    (check,) = checks(Together, only="batch.split")
    with pytest.raises(unittest.SkipTest, match="on purpose"):
        check.run()


def test_an_exception_that_is_not_needed_is_a_failure() -> None:
    report = check_layer(Excused, only="batch.split")
    assert report["batch.split"].status == "unexpected pass"
    assert not report.ok
    with pytest.raises(ConformanceError, match="remove it from conformance_exceptions"):
        checks(Excused, only="batch.split")[0].run()


# ---- pytest


@pytest.mark.parametrize("check", checks(Carry, only="plan.*"), ids=str)
def test_checks_are_tests(check: Any) -> None:
    check.run()  # raises where the part does not conform, as the test above sees it do


def test_ids_are_the_same_in_every_process() -> None:
    """Workers of pytest-xdist must collect the same tests."""
    assert [str(c) for c in checks(Carry)] == [rule.id for rule in rules_for("layers")]


def test_a_skip_tells_its_reason() -> None:
    (check,) = checks(Carry, only="gradient.activations")
    with pytest.raises(unittest.SkipTest, match="no setting names an activation"):
        check.run()


def test_only_takes_patterns_and_refuses_what_is_no_check() -> None:
    assert {c.id.partition(".")[0] for c in checks(Carry, only=["batch.*", "plan.pure"])} == {
        "batch",
        "plan",
    }
    with pytest.raises(ValueError, match=r"unknown check 'gradient.input'; did you mean"):
        checks(Carry, only="gradient.input")


# ---- classes that only this process knows


def test_a_class_of_a_function_is_checked_as_far_as_it_can_be() -> None:
    class Local(Layer):
        """y = x, dx = dy. Source: own work."""

        type_name = "kit.local"

        def plan(self, in_shape: Shape) -> Plan:
            return Plan(in_shape)

        def feed(self, x: Array, ctx: Context) -> Array:
            return x

        def backprop(self, dy: Array, ctx: Context) -> Array:
            return dy

    report = check_layer(Local)
    report.raise_if_failed()
    skipped = {o.id: o.message for o in report.outcomes if o.status == "skipped"}
    for check in ("file.fresh_process", "import.cost", "import.quiet", "global.files_and_network"):
        assert "lives in this process only" in skipped[check]
    assert "check_part(Local" in report["plan.pure"].again


def test_the_registry_is_left_as_it_was() -> None:
    registry = REGISTRIES["layers"]

    class Mine(Carry):
        type_name = "kit.carry"

    registry.register(Mine)
    try:
        check_layer(Carry, only="file.*")
        assert registry["kit.carry"] is Mine
    finally:
        registry.unregister("kit.carry")
    check_layer(Carry, only="file.*")
    assert "kit.carry" not in registry


# ---- kinks


def test_a_kink_is_seen_and_a_bend_is_not() -> None:
    functions: list[Any] = [
        abs,
        np.exp,
        lambda t: (t > 0) * t + 3 * (t <= 0) * t,
        lambda t: np.sin(20 * t),
    ]

    def moved(i: int, step: float) -> float:
        return float(sum(f(step if k == i else 0.0) for k, f in enumerate(functions)))

    found = slopes(moved, len(functions))
    assert found.kink.tolist() == [True, False, True, False]
    np.testing.assert_allclose(found.value[[1, 3]], [1, 20], rtol=1e-6)
    np.testing.assert_allclose(found.low[[0, 2]], [-1, 1], atol=1e-6)
    np.testing.assert_allclose(found.high[[0, 2]], [1, 3], atol=1e-6)
    for right in ([0.0, 1, 2, 20], [-1.0, 1, 1, 20], [1.0, 1, 3, 20]):
        assert not found.wrong(np.array(right), 1e-6).any()
    assert found.wrong(np.array([1.5, 1, 3.5, 20]), 1e-6).tolist() == [True, False, True, False]


def test_a_kink_beside_the_place_is_stepped_over() -> None:
    found = slopes(lambda _, step: abs(step + 3e-6), 1)
    assert not found.kink[0]
    assert found.value[0] == pytest.approx(1)


class Stairs(Layer):
    """y = round(x), with the gradient of the identity: dx = dy. Source: own work."""

    type_name = "kit.stairs"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return np.round(x)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


def test_functions_without_slopes_are_not_passed_in_silence() -> None:
    assert check_layer(Stairs, only="gradient.inputs")["gradient.inputs"].status == "failed"


@pytest.mark.parametrize(("many", "status"), [(True, "failed"), (False, "passed")])
def test_kinks_are_counted(monkeypatch: pytest.MonkeyPatch, many: bool, status: str) -> None:
    def kinked(f: Any, count: int) -> Slopes:
        places = np.arange(count)
        return replace(slopes(f, count), kink=places % 2 == 1 if many else places == 15)

    monkeypatch.setattr(central_differences, "slopes", kinked)
    outcome = check_layer(Carry, only="gradient.inputs")["gradient.inputs"]
    assert outcome.status == status
    assert ("has no slope" if status == "failed" else "lie on a kink") in outcome.message


# ---- golden files


class Version1(Carry):
    type_name = "kit.versioned"

    def __init__(self, *, units: layerkit.fields.Size, bias_percent: float = -100.0) -> None:
        self.units = units
        self.bias_percent = bias_percent
        self.gate_bias = bias_percent / 100
        self.start = "glorot_uniform"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"units": 3}, (4,))]


class Version2(Carry):
    type_name = "kit.versioned"
    config_version = 2

    @classmethod
    def migrate(cls, config: dict[str, Any], from_version: int) -> dict[str, Any]:
        return {"units": config["units"], "gate_bias": config["bias_percent"] / 100}


class CannotMigrate(Carry):
    type_name = "kit.versioned"
    config_version = 2


class ComputesOtherwise(Version2):
    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = super().feed(x, ctx) * 2
        return y


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A file of version 1, kept in a folder beside another one."""
    REGISTRIES["layers"].register(Version1)
    try:
        spec = {
            "layerkit": 1,
            "input": {"shape": [4]},
            "layers": [{"type": "kit.versioned", "units": 3}],
        }
        layerkit.save(layerkit.build(spec), tmp_path / "v1.layerkit")
        spec["layers"] = [{"type": "dense", "units": 3}]
        layerkit.save(layerkit.build(spec), tmp_path / "other.layerkit")
    finally:
        REGISTRIES["layers"].unregister("kit.versioned")
    return tmp_path


@pytest.mark.parametrize(
    ("part", "status", "words"),
    [
        (Version2, "passed", "1 golden files read"),
        (CannotMigrate, "failed", "cannot migrate"),
        (ComputesOtherwise, "failed", "SelfTestError"),
        (Carry, "failed", "none of the 2 golden files"),
    ],
)
def test_golden_files_are_migrated(
    golden: Path, part: type[Layer], status: str, words: str
) -> None:
    found = check_layer(part, only="golden.migration", golden=[golden])["golden.migration"]
    assert found.status == status, found.text()
    assert words in found.message


def test_a_class_may_name_its_golden_files(golden: Path) -> None:
    class Named(Version2):
        golden_files = (golden / "v1.layerkit",)

    assert check_layer(Named, only="golden.migration")["golden.migration"].status == "passed"
    (golden / "v1.layerkit").write_bytes(b"damaged")
    assert check_layer(Named, only="golden.migration")["golden.migration"].status == "failed"


def test_what_a_part_raises_is_reported_with_its_line() -> None:
    found = check_part(RedrawnMask, only="stochastic.gradient")["stochastic.gradient"]
    assert "backprop draws random numbers" in found.message

    class Raises(Carry):
        def feed(self, x: Array, ctx: Context) -> Array:
            raise ValueError("not today")

    outcome = check_layer(Raises, only="plan.shape")["plan.shape"]
    assert "feed of 4 rows raised ValueError: not today" in outcome.message
    assert 'raise ValueError("not today")' in outcome.message
    assert "Traceback" in outcome.traceback
    assert "Traceback" not in check_layer(Raises).text()


def test_a_part_that_ends_the_process_fails_its_checks_and_the_report_stands() -> None:
    class Leaves(Carry):
        type_name = "kit.leaves"

        def feed(self, x: Array, ctx: Context) -> Array:
            os._exit(0)

    leave = os._exit
    report = check_layer(Leaves)
    assert os._exit is leave
    failed = [outcome.message for outcome in report.outcomes if outcome.status == "failed"]
    assert any("os._exit(0), which ends the process" in message for message in failed)


def test_registering_a_layer_is_not_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """import layerkit
from tests.kit.sound import Carry


@layerkit.register
class Registering(Carry):
    type_name = "kit.registering"
"""
    (tmp_path / "kit_registering.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        part = importlib.import_module("kit_registering").Registering
        check_part(part, only="global.files_and_network").raise_if_failed()
    finally:
        REGISTRIES["layers"].unregister("kit.registering")
        sys.modules.pop("kit_registering", None)
