"""The files of a study survive a kill in the middle of a line, and one process writes at a time."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from layerkit import PathError, StudyError
from layerkit.runs.folder import RunFolder, model_file

REST: dict[str, Any] = {"diverged": None, "kernels": {}, "metrics": {}, "recipe": "r", "rows": "d"}
ONE = {"key": "one", "seed": 0, **REST}
TWO = {"key": "two", "seed": 1, **REST}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "a.study")
    with made.open_for_runs(b"{}"):
        made.add(ONE, {"key": "one", "seconds": 1.0}, {model_file("one"): b"model"})
        made.add(TWO, {"key": "two", "seconds": 2.0}, {})
    return made


def test_what_is_added_is_there(folder: RunFolder) -> None:
    assert folder.lines() == {"one": ONE, "two": TWO}
    assert folder.model("one").read_bytes() == b"model"
    assert (folder.path / "study.json").read_bytes() == b"{}"
    one, two = folder.runs.read_bytes().splitlines()
    assert one == json.dumps(ONE, sort_keys=True, separators=(",", ":")).encode()
    assert json.loads(two) == TWO


def test_a_line_torn_anywhere_is_dropped_and_the_next_one_stands_alone(
    folder: RunFolder,
) -> None:
    whole = folder.runs.read_bytes()
    start = whole.index(b"\n") + 1
    for end in range(start, len(whole)):
        folder.runs.write_bytes(whole[:end])
        assert set(folder.lines()) - {"two"} == {"one"}  # reading alone changes nothing
        assert folder.runs.read_bytes() == whole[:end]
        with folder.open_for_runs(b"{}"):
            assert folder.runs.read_bytes() == whole[:start]
            folder.add(TWO, {"key": "two"}, {})
        assert folder.runs.read_bytes() == whole


def test_trials_have_a_file_of_their_own_that_may_be_torn(folder: RunFolder) -> None:
    for n in (0, 1):
        with folder.open_for_runs(b"{}"):
            more: dict[str, Any] = {"trial": n, "settings": {}, "pruned": False}
            folder.add({**ONE, **more, "key": f"trial {n}"}, {"key": f"trial {n}"}, {})
    assert set(folder.lines()) == {"one", "two"}
    assert set(folder.trial_lines()) == {"trial 0", "trial 1"}
    first, _ = folder.trials.read_bytes().splitlines(keepends=True)
    folder.trials.write_bytes(folder.trials.read_bytes()[:-5])
    assert set(folder.trial_lines()) == {"trial 0"}
    with folder.open_for_runs(b"{}"):
        assert folder.trials.read_bytes() == first


def test_a_last_line_of_zeros_is_dropped(folder: RunFolder) -> None:
    whole = folder.runs.read_bytes()
    folder.runs.write_bytes(whole + b"\0" * 30 + b"\n")
    with folder.open_for_runs(b"{}"):
        assert folder.runs.read_bytes() == whole


def test_a_torn_line_of_times_is_dropped(folder: RunFolder) -> None:
    whole = folder.times.read_bytes()
    folder.times.write_bytes(whole + b'{"key"')
    with folder.open_for_runs(b"{}"):
        assert folder.times.read_bytes() == whole


def test_a_line_in_the_middle_that_is_no_run_is_told(folder: RunFolder) -> None:
    folder.runs.write_bytes(b'{"key":"zero"}\nnonsense\n' + folder.runs.read_bytes())
    with pytest.raises(StudyError, match=r"runs.jsonl, line 1: expected a finished run"):
        folder.lines()
    folder.runs.write_bytes(b"nonsense\n" + folder.runs.read_bytes().split(b"\n", 2)[2])
    with pytest.raises(StudyError, match=r"runs.jsonl, line 1: expected a finished run"):
        folder.lines()


@pytest.mark.parametrize("change", [
    {"seed": "0"}, {"metrics": None}, {"right": {"metric": "a", "count": 30, "bits": "AAAA"}},
    {"right": {"metric": "a", "count": 20, "bits": 5}}, {"right": 3},
    {"right": {"count": 20, "bits": "AAAA"}}, {"metrics": {"a": "x"}}, {"metrics": {"a": [1]}},
    {"diverged": "why", "metrics": "x"}, {"classes": None}, {"file": 5}, {"point": "a"},
    {"test_rows": "1"},
])  # fmt: skip
def test_a_damaged_line_is_told(folder: RunFolder, change: dict[str, Any]) -> None:
    text = json.dumps({**ONE, **change})
    folder.runs.write_bytes(text.encode() + b"\n" + folder.runs.read_bytes())
    with pytest.raises(StudyError, match=r"runs.jsonl, line 1: expected a finished run"):
        folder.lines()


def test_a_line_nested_too_deeply_is_damaged_too(folder: RunFolder) -> None:
    deep, whole = b"[" * 100_000, folder.runs.read_bytes()
    folder.runs.write_bytes(whole + deep)
    assert list(folder.lines()) == ["one", "two"]  # as after a kill
    folder.runs.write_bytes(deep + b"\n" + whole)
    with pytest.raises(StudyError, match=r"runs.jsonl, line 1: expected a finished run"):
        folder.lines()


def test_a_failure_without_its_reason_is_damaged(folder: RunFolder) -> None:
    failure = {"key": "three", "recipe": "r", "seed": 3, "point": {}}
    folder.fail({**failure, "failed": "why"})
    assert [line["failed"] for line in folder.failures().values()] == ["why"]
    folder.failed.write_text(json.dumps(failure) + "\n" + folder.failed.read_text())
    with pytest.raises(StudyError, match=r"failures.jsonl, line 1"):
        folder.failures()


def test_a_second_process_is_kept_out(folder: RunFolder) -> None:
    other = RunFolder(folder.path)
    with (
        folder.open_for_runs(b"{}"),
        pytest.raises(StudyError, match=r"another process is running this study \(number \d+\)"),
        other.open_for_runs(b"other"),
    ):
        raise AssertionError
    assert (folder.path / "study.json").read_bytes() == b"{}"
    with other.open_for_runs(b"{}"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files")
def test_a_full_disk_is_told_with_the_folder(folder: RunFolder) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(PathError, match="cannot be written"), folder.open_for_runs(b"{}"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with folder.open_for_runs(b"{}"):
        pass
