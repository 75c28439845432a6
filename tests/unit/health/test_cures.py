"""Of several values that may help, the first that does in a short training is given."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import layerkit
from layerkit import Finding
from layerkit.health.subject import Subject
from tests.unit.health.planted import DENSE, OUTPUT, digits_spec, look

RATE, CLIP = "train.optimizer.learning_rate", "train.clip_norm"
SPEC = digits_spec([DENSE, OUTPUT], optimizer={"type": "adam", "learning_rate": 0.001})


def planted(monkeypatch: pytest.MonkeyPatch, healthy: Any, *changes: dict[str, Any]) -> Finding:
    """The finding that is given, where only ``healthy`` recipes have none."""
    first, *others = changes

    def examine(subject: Subject) -> list[Finding]:
        train = subject.spec.train or {}
        if healthy(train):
            return []
        return [Finding("planted", "warning", "a", "b", RATE, first, others=tuple(others))]

    monkeypatch.setattr(sys.modules["layerkit.doctor.diagnose"], "examine_layers", examine)
    (finding,) = look(SPEC).findings
    return finding


def test_the_first_after_which_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def healthy(train: dict[str, Any]) -> bool:
        return bool(train["clip_norm"] == 50.0)

    finding = planted(monkeypatch, healthy, {CLIP: 70.0}, {CLIP: 60.0}, {CLIP: 50.0})
    assert dict(finding.changes) == {CLIP: 50.0}
    assert finding.field == CLIP
    assert finding.severity == "warning"
    assert "the loss becomes" in finding.tried


def test_one_that_cures_but_learns_worse_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def healthy(train: dict[str, Any]) -> bool:
        return bool(train["optimizer"]["learning_rate"] != 0.001)

    finding = planted(monkeypatch, healthy, {RATE: 1e-7}, {RATE: 0.003})
    assert dict(finding.changes) == {RATE: 0.003}


def test_where_none_helps_it_is_only_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = planted(monkeypatch, lambda train: False, {CLIP: 70.0}, {CLIP: 60.0})
    assert finding.severity == "notice"
    assert finding.tried.startswith("2 values tried: none is better")
    assert dict(finding.changes) == {CLIP: 70.0}


def test_without_time_nothing_is_tried_and_nothing_made_milder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = digits_spec([DENSE, {**OUTPUT, "activation": "relu"}])
    diagnosis = layerkit.diagnose(spec, seconds=0)
    (finding,) = diagnosis.findings
    assert finding.severity == "warning"
    assert finding.tried == ""
    assert (diagnosis.steps, diagnosis.updates) == (0, {})


def test_rates_are_not_advised_that_the_next_visit_would_find_too_large() -> None:
    slow = digits_spec([DENSE, OUTPUT], optimizer={"type": "sgd", "learning_rate": 1e-5})
    (finding,) = look(slow).findings
    assert finding.check == "learning rate too small"
    assert look(slow, settings=finding.settings).findings == []


def test_absurd_rates_are_lowered_to_one_that_learns() -> None:
    wild = digits_spec([DENSE, OUTPUT], optimizer={"type": "sgd", "learning_rate": 1e30})
    (finding,) = look(wild).findings
    assert finding.check == "learning rate too large"
    assert "nan" not in finding.text
    assert 0.001 <= finding.changes[RATE] <= 1.0


def test_a_trained_model_shows_the_size_of_its_steps() -> None:
    model = layerkit.train(SPEC).model
    before = model.network.params.copy()
    diagnosis = look(model)
    assert diagnosis.steps == 20
    assert set(diagnosis.updates) == {"dense_1", "dense_2"}
    assert (model.network.params == before).all()
