"""Every check of the kit finds the bug that it is for, and passes the layer without the bug."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.testing import Report, check_part, rules_for
from tests.kit import patterns, planted, planted_more, right
from tests.kit.planted import PLANTED as FIRST
from tests.kit.sound import Active, Carry, Centre, Follow, Mask

PLANTED = FIRST + planted_more.PLANTED
ELEVEN = {
    "NoCarryInSlope": "gradient.parameters",
    "LostPath": "gradient.inputs",
    "BiasBroadcast": "gradient.parameters",
    "OverwritesInput": "input.unchanged",
    "SharedCache": "feeds.interleaved",
    "RedrawnMask": "stochastic.gradient",
    "Promotes": "dtype.float32",
    "OrderDependent": "batch.permutation",
    "UpdatesEarly": "update.order",
    "LosesSetting": "settings.constructor",
    "GlobalSeed": "global.random",
}
RUDE = {
    "printing": ("Printing", "import.quiet", "hello from a plugin"),
    "reading": ("Reading", "global.files_and_network", "reading.py"),
    "calling": ("Calling", "global.files_and_network", "getaddrinfo"),
    "slow": ("Slow", "import.cost", "0.5 s allowed"),
    "seeding": ("Seeding", "import.random", "importing"),
    "setting": ("Setting", "global.settings", "os.environ"),
    "bare": ("Bare", "docs.equations", "docstring"),
}
RAISING = {"MeanOfNothing", "WritesAndRestores", "DependsOnItsNumber", "DependsOnProcess"}
"""Layers whose bug shows as an exception, of their own or of the self-test of a file."""
BEYOND = {  # shown to fail by a test of its own
    "settings.unknown",
    *("recorded.rows", "recorded.planned", "recorded.compiled"),  # test_forms.py
}


def rude(module: str) -> type[Layer]:
    found: type[Layer] = getattr(import_module(f"tests.kit.rude.{module}"), RUDE[module][0])
    return found


def test_the_eleven_of_the_issue_are_here() -> None:
    here = {cls.__name__: check for check, cls, _ in PLANTED[:11]}
    assert here == ELEVEN


RIGHT = [Carry, Mask, Centre, Follow, Active, right.Norm, right.Drop, right.Slide, right.Pool]
RIGHT += [right.Rows, right.Level, planted_more.Said]


@pytest.mark.parametrize("layer", RIGHT, ids=lambda c: c.__name__)
def test_sound_layers_conform(layer: type[Layer]) -> None:
    report = check_part(layer)
    report.raise_if_failed()
    assert report.counts["planned"] == len(rules_for("layers"))
    assert report.counts["run"] >= report.counts["planned"] - 6


@pytest.mark.parametrize(
    ("check", "layer", "twin"), PLANTED, ids=[f"{c}-{cls.__name__}" for c, cls, _ in PLANTED]
)
def test_a_planted_bug_is_found(check: str, layer: type[Layer], twin: type[Layer]) -> None:
    report = check_part(layer, only=check)
    assert report[check].status == "failed", report.text()
    assert not report.ok
    assert report[check].message
    assert report[check].hint
    assert not report[check].message.startswith("the check ended in"), report.text()
    assert " raised " not in report[check].message or layer.__name__ in RAISING, report.text()
    assert check_part(twin, only=check)[check].status in ("passed", "skipped")
    assert check_part(twin, only=check).ok


@pytest.mark.parametrize("module", sorted(RUDE))
def test_rude_modules_are_found(module: str) -> None:
    _, check, words = RUDE[module]
    outcome = check_part(rude(module), only=check)[check]
    assert outcome.status == "failed"
    assert words in outcome.message


def test_a_core_that_takes_unknown_settings_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from layerkit.specs import layers

    honest: Any = getattr(layers, "validate")  # noqa: B009  # imported there, not exported

    def lax(part: Any, config: Any, path: Any, faults: Any, **options: Any) -> Any:
        known = {k: v for k, v in config.items() if k in part.settings()}
        return honest(part, known, path, faults, **options)

    monkeypatch.setattr(layers, "validate", lax)
    assert check_part(Carry, only="settings.unknown")["settings.unknown"].status == "failed"


def test_every_check_of_layers_is_seen_failing() -> None:
    seen = {check for check, _, _ in PLANTED} | {check for _, check, _ in RUDE.values()} | BEYOND
    assert seen == {rule.id for rule in rules_for("layers")}


def message(layer: type[Layer], check: str) -> str:
    report: Report = check_part(layer, only=check)
    assert report[check].status == "failed"
    return report[check].message


@pytest.mark.parametrize(
    ("layer", "check", "words"),
    [
        (planted.BiasBroadcast, "gradient.parameters", "sum over rows, axis=0"),
        (planted.LostPath, "gradient.inputs", "through 'WT'"),
        (patterns.MeanBias, "gradient.parameters", "a mean over rows instead of a sum"),
        (patterns.WrongSign, "gradient.parameters", "wrong sign"),
        (patterns.Transposed, "gradient.parameters", "transposed"),
        (patterns.MixedUp, "gradient.parameters", "equals grads['WH']"),
        (patterns.ForgetsOne, "gradient.written", "never writes grads['bH']"),
        (planted.AddsGradients, "gradient.written", "adds to grads['WH']"),
        (patterns.NoSlope, "gradient.parameters", "the slope f' of 'activation'"),
        (patterns.LostCarry, "gradient.inputs", "such as a carry"),
        (planted.LosesSetting, "settings.constructor", "gate_bias=0.5 was given"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_likely_cause_is_named(layer: type[Layer], check: str, words: str) -> None:
    assert words in message(layer, check)


def test_a_cause_is_not_named_where_all_slopes_vanish() -> None:
    """With W = 0 both sides are 0, which says nothing."""
    assert "likely" not in message(planted_more.ForgetsStride, "gradient.inputs")


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (planted_more.NoFans, "'W' [3, 2, 2] starts by its fans, taken as 12 and 12: give fan_in="),
        (planted_more.RowBias, "'bH' [1, 4] is a matrix to weight decay; if it is a bias"),
        (right.Slide, ""),
        (Carry, ""),
    ],
)
def test_what_is_seldom_meant_is_noted(layer: type[Layer], words: str) -> None:
    outcome = check_part(layer, only="plan.valid")["plan.valid"]
    assert outcome.status == "passed"
    assert words in outcome.message
    assert bool(words) == bool(outcome.message)


def test_what_follows_from_one_fault_is_not_run() -> None:
    for layer, cause in (
        (planted.SeedsInFeed, "global.random"),
        (planted.LearnsInInference, "batch.state"),
        (planted.AddsGradients, "gradient.written"),
    ):
        report = check_part(layer)
        assert [o.id for o in report.outcomes if o.status == "failed"] == [cause]
        waiting = [o for o in report.outcomes if o.status == "not run"]
        assert len(waiting) > 10
        assert {o.message for o in waiting} == {f"builds on {cause}, which failed"}
        first = [o.id for o in report.outcomes].index(cause)
        assert all(o.status != "not run" for o in report.outcomes[:first])


def test_the_missing_carry_names_what_it_is_about() -> None:
    found = message(planted.NoCarryInSlope, "gradient.parameters")
    assert "grads['WT']" in found
    assert "'WA'" in found, found  # with WA at zero there is no carry, and all is right


def test_one_wrong_coordinate_among_thousands_is_found() -> None:
    found = message(patterns.OneOfThousands, "gradient.parameters")
    assert "grads['WA'] is wrong along a random direction" in found


def test_reading_all_parameters_at_once_counts_as_reading() -> None:
    class Sums(Carry):
        def feed(self, x: Array, ctx: Context) -> Array:
            for _, param in self.params.items():  # noqa: PERF102  # as people write it
                assert param.size
            return x

        def plan(self, in_shape: Shape) -> Plan:
            return Plan(in_shape, {"a": Param((2,)), "b": Param((3,))})

        def backprop(self, dy: Array, ctx: Context) -> Array:
            for grad in self.grads.values():
                grad[...] = 0
            return dy

    assert check_part(Sums, only="plan.parameters").ok
