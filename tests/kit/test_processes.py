"""Child processes: one that hangs or dies fails the check, and the kit goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerkit.testing import check_layer, processes
from tests.kit.planted import DependsOnCommand, DependsOnProcess
from tests.kit.sound import Carry


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The script of the child that imports a part, to be written by the test."""
    monkeypatch.setattr(processes, "_HERE", tmp_path)
    return tmp_path / "child_import.py"


def test_a_child_that_hangs_is_ended(child: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_LIMIT", 0.5)
    child.write_text("import time; time.sleep(60)", "utf-8")
    found = check_layer(Carry, only="import.quiet")["import.quiet"]
    assert found.status == "failed"
    assert "did not end within" in found.message


def test_a_child_that_dies_is_a_failure(child: Path) -> None:
    child.write_text("import sys; sys.exit('out of luck')", "utf-8")
    found = check_layer(Carry, only="import.quiet")["import.quiet"]
    assert found.status == "failed"
    assert "a new process died: out of luck" in found.message


def test_a_child_is_asked_once_for_all_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    honest = processes._child

    def counting(script: str, *args: object, **options: object) -> object:
        asked.append(script)
        return honest(script, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(processes, "_child", counting)
    check_layer(Carry, only=["import.*", "global.*", "file.*"]).raise_if_failed()
    assert sorted(asked) == ["child_import.py", "child_load.py", "child_save.py"]


def test_loading_needs_the_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a distribution that offers it a new process does not find the layer."""
    honest = processes._child

    def unoffered(script: str, asked: dict[str, object], *, site: Path | None = None) -> object:
        return honest(script, asked, site=None if script == "child_load.py" else site)

    monkeypatch.setattr(processes, "_child", unoffered)
    found = check_layer(Carry, only="file.fresh_process")["file.fresh_process"]
    assert found.status == "failed"
    assert "PluginMissingError" in found.message
    assert "'kit.carry'" in found.message


def test_other_numbers_in_another_process_are_found() -> None:
    for layer, words in (
        (DependsOnProcess, "SelfTestError"),
        (DependsOnCommand, "predicts something else"),
    ):
        found = check_layer(layer, only="file.fresh_process")["file.fresh_process"]
        assert words in found.message
