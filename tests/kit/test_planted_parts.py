"""The batteries of the other kinds find the bugs that they are for."""

from __future__ import annotations

import importlib.util
from typing import ClassVar

import pytest

from layerkit import Array, Context, Part
from layerkit.discovery.registry import REGISTRIES
from layerkit.testing import check_part, rules_for
from tests.kit import planted_parts
from tests.kit.planted_parts import PLANTED

SOUND = [
    getattr(planted_parts, name)
    for name in (
        *("Squash", "Normal", "Squares", "Heavy", "Falling", "MeanSquare"),
        "Nowhere",
    )
]


def kind_of(part: type[Part]) -> str:
    return next(kind for kind, one in REGISTRIES.items() if issubclass(part, one.base))


def test_there_is_a_sound_part_of_every_kind() -> None:
    assert {kind_of(part) for part in SOUND} == set(REGISTRIES) - {"layers"}


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


@pytest.mark.parametrize("kind", sorted(set(REGISTRIES) - {"layers"}))
def test_every_check_of_its_own_is_seen_failing(kind: str) -> None:
    common = {"declared", "docs", "settings", "global", "import"}  # seen failing on layers
    own = {rule.id for rule in rules_for(kind) if rule.id.partition(".")[0] not in common}
    seen = {check for check, part, _ in PLANTED if kind_of(part) == kind}
    assert own == {check for check in seen if check.partition(".")[0] not in common}


class _Kernel(planted_parts.Squares):
    """As a compiled kernel would: a mean over rows by mistake, another slope, or written scores."""

    slip: ClassVar[str] = ""

    def compiled_judge(
        self, scores: Array, targets: Array, weights: Array, out: Array
    ) -> float | None:
        ctx = Context(scores.dtype, training=True)
        loss = self.feed(scores, targets, ctx) @ weights
        out[...] = self.backprop(weights, ctx)
        if self.slip == "slope":
            out[-1, -1] *= 2
        if self.slip == "none":
            return None
        return float(loss / len(scores) if self.slip == "mean" else loss)


@pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba, the extra `fast`, is not installed"
)
@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("", None),
        ("mean", "the weighted sum of the losses"),
        ("slope", "another dL"),
        ("none", "has written"),
    ],
)
def test_the_kernel_of_a_loss_is_held_against_its_lines(
    slip: str, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_FAST", "1")
    loss = type("Slipped", (_Kernel,), {"slip": slip, "type_name": f"kit.kernel{slip}"})
    found = check_part(loss, only="dtype.float32")["dtype.float32"]
    if words is None:
        assert found.status == "passed"
    else:
        assert found.status == "failed"
        assert words in found.message


def test_the_factor_of_a_wrong_loss_is_named() -> None:
    found = check_part(planted_parts.ForgetsOutputs, only="gradient.scores")["gradient.scores"]
    assert "likely: a factor of" in found.message
    assert "the number of outputs" in found.message
