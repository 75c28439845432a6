"""The batteries of the other kinds find the bugs that they are for."""

from __future__ import annotations

import pytest

from layerkit import Part
from layerkit.discovery.registry import REGISTRIES
from layerkit.testing import check_part, rules_for
from tests.kit import planted_parts
from tests.kit.planted_parts import PLANTED
from tests.kit.version_one import Old, OldRelu

SOUND = [
    getattr(planted_parts, name)
    for name in (
        "Squash",
        "Normal",
        "Squares",
        "Focused",
        "Heavy",
        "Shrinks",
        "Falling",
        "Calming",
        "MeanSquare",
        "Hits",
        "NearHits",
        "TwoBest",
        "Handful",
        "Lines",
        "Kept",
        "Numbers",
        "Drawn",
        "Draws",
    )
]


def kind_of(part: type[Part]) -> str:
    return next(kind for kind, one in REGISTRIES.items() if issubclass(part, one.base))


def test_there_is_a_sound_part_of_every_kind() -> None:
    elsewhere = {"layers", "engines", "devices", "executors"}
    assert {kind_of(part) for part in SOUND} == set(REGISTRIES) - elsewhere


@pytest.mark.parametrize("part", SOUND, ids=lambda p: p.__name__)
def test_sound_parts_conform(part: type[Part]) -> None:
    report = check_part(part)
    report.raise_if_failed()
    assert report.counts["skipped"] == 0


@pytest.mark.parametrize(
    ("check", "part", "twin"), PLANTED, ids=[f"{c}-{cls.__name__}" for c, cls, _ in PLANTED]
)
def test_a_planted_bug_is_found(check: str, part: type[Part], twin: type[Part]) -> None:
    report = check_part(part, only=check)
    assert report[check].status == "failed", report.text()
    assert report[check].hint
    assert not report[check].message.startswith("the check ended in"), report.text()
    assert check_part(twin, only=check)[check].status == "passed"


@pytest.mark.parametrize("kind", sorted(set(REGISTRIES) - {"layers", "engines"}))
def test_every_check_of_its_own_is_seen_failing(kind: str) -> None:
    common = {"declared", "docs", "settings", "global", "import"}  # seen failing on layers
    own = {rule.id for rule in rules_for(kind) if rule.id.partition(".")[0] not in common}
    seen = {check for check, part, _ in PLANTED if kind_of(part) == kind}
    seen |= {"recorded.planned", "recorded.compiled"} & own  # in test_forms.py
    assert own == {check for check in seen if check.partition(".")[0] not in common}


@pytest.mark.parametrize("part", [Old, OldRelu], ids=lambda p: p.__name__)
def test_parts_of_version_1_conform_with_a_note(part: type[Part]) -> None:
    report = check_part(part)
    report.raise_if_failed()
    assert report["declared.version"].message == (
        "written for version 1: runs as it is written, for one release"
    )
    new = check_part(planted_parts.Squash, only="declared.version")["declared.version"]
    assert (new.status, new.message) == ("passed", "")


def test_the_factor_of_a_wrong_loss_is_named() -> None:
    found = check_part(planted_parts.ForgetsOutputs, only="gradient.scores")["gradient.scores"]
    assert "likely: a factor of" in found.message
    assert "the number of outputs" in found.message


@pytest.mark.parametrize("seed", range(8))
def test_weights_that_are_ignored_are_found_at_any_seed(seed: int) -> None:
    check = "batch.weights"
    for part, status in (
        (planted_parts.HitsIgnoreWeights, "failed"),
        (planted_parts.Hits, "passed"),
    ):
        assert check_part(part, only=check, seed=seed)[check].status == status
