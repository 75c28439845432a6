"""First mistakes of beginners: found, with a message that leads to the fix, and no traceback."""

from __future__ import annotations

import pytest

from layerkit import Layer
from layerkit.testing import ConformanceError, check_layer, check_part, checks
from tests.kit.slips import SLIPS, Product


def test_without_a_slip_all_is_well() -> None:
    check_layer(Product).raise_if_failed()


@pytest.mark.parametrize(
    ("layer", "check", "words"), SLIPS, ids=[f"{cls.__name__}-{check}" for cls, check, _ in SLIPS]
)
def test_a_slip_leads_to_its_fix(layer: type[Layer], check: str, words: str) -> None:
    report = check_layer(layer)
    outcome = report[check]
    assert outcome.status == "failed", report.text()
    assert words in f"{outcome.message} {outcome.hint}", outcome.text()
    assert not report.ok
    for one in report.outcomes:
        assert "the check ended in" not in one.message, one.text()
        assert "layerkit/testing" not in one.message, one.text()


def test_one_root_cause_is_not_reported_forty_times() -> None:
    report = check_layer(SLIPS[1][0])
    failed = [outcome.id for outcome in report.outcomes if outcome.status == "failed"]
    assert failed == ["settings.keywords"]
    assert report.counts["not run"] > 30
    assert len(report.text().splitlines()) < 50


def test_a_class_without_a_base_class_is_refused() -> None:
    class Forgot:
        def feed(self) -> None: ...

    with pytest.raises(
        TypeError,
        match=r"expected a subclass of Layer, .* got class Forgot; .*Forgot\(layerkit.Layer\)",
    ):
        check_part(Forgot)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"does not inherit layerkit\.Layer"):
        check_layer(Forgot)  # type: ignore[arg-type]


def test_a_check_of_pytest_raises_the_readable_text() -> None:
    (check,) = checks(SLIPS[1][0], only="settings.keywords")
    with pytest.raises(ConformanceError) as caught:
        check.run()
    text = str(caught.value)
    for word in ("FAILED  settings.keywords", "what", "why", "fix", "again", "--only"):
        assert word in text
