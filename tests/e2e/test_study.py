"""``layerkit study``: killed at random, the files are those of a study that was left alone."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Cli

SMALL: dict[str, Any] = {
    "layerkit_study": 1,
    "spec": "highway-digits",
    "set": {"train.epochs": 2, "layers.0.units": 8},
    "grid": {"layers.1.repeat": [1, 2, 3], "layers.1.gate_bias": [-1, -3]},
    "seeds": 2,
}


@pytest.fixture
def small(folder: Path) -> Path:
    Path("small.json").write_text(json.dumps(SMALL, indent=1))
    return folder / "small.study"


def truth(folder: Path) -> dict[str, str]:
    lines = sorted((folder / "runs.jsonl").read_bytes().splitlines())
    held = (p for name in ("models", "predictions") for p in (folder / name).iterdir())
    files = {p.name: p.read_bytes() for p in held if not p.name.startswith(".")}
    every = {"runs": b"\n".join(lines), **files}
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(every.items())}


def count(folder: Path) -> int:
    runs = folder / "runs.jsonl"
    return runs.read_bytes().count(b"\n") if runs.exists() else 0


def test_pictures_are_refused_before_any_work(cli: Cli, small: Path) -> None:
    Path("taken").write_text("a file")
    done = cli("study", "small.json", "--figures", "taken")
    assert (done.code, done.out) == (1, "")
    assert "taken: expected a folder for the pictures, got a file" in done.err
    assert not small.exists()


def test_without_matplotlib_the_numbers_are_written(
    cli: Cli, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("one.json").write_text(json.dumps({**SMALL, "grid": {}, "seeds": 1}))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = cli("study", "one.json", "-q", "--figures", "pictures", "--json")
    assert done.code == 0
    assert json.loads(done.out)["done"] == 1
    assert done.err.split("\n") == [
        'warning: png and svg need the extra plot: python -m pip install "layerkit[plot]"',
        "",
    ]
    names = {path.name for path in Path("pictures").iterdir()}
    assert "runs.csv" in names
    assert all(name.endswith(".csv") for name in names)
    assert cli("study", "small.json", "--report", "--html", "page.html").code == 0
    assert "no run is finished" in Path("page.html").read_text("utf-8")


def test_times_are_of_this_machine_and_asked_for(
    cli: Cli, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerkit.comparison.timing._BLOCK_SECONDS", 0)
    Path("one.json").write_text(json.dumps({**SMALL, "grid": {}, "seeds": 1}))
    done = cli("study", "one.json", "-q", "--timing")
    assert done.code == 0
    assert done.out.split("\n")[0].endswith("one row")
    assert "Times depend on this machine (" in " ".join(done.out.split())
    assert "one row" not in cli("study", "one.json", "--report").out
    refused = cli("study", "one.json", "--status", "--timing")
    assert (refused.code, refused.out) == (2, "")
    assert "--status shows no times: expected --report with --timing" in refused.err


def killed(words: list[str], folder: Path, rng: random.Random) -> bool:
    """Start the study, and kill it some moments after it has finished one more run.

    Half of the kills are made to tear the last line, which takes luck otherwise. Whether it was
    killed before it ended.
    """
    command = [sys.executable, "-m", "layerkit", "study", "small.json", "--quiet", *words]
    before = count(folder)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while count(folder) <= before and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.005)
        time.sleep(rng.random() * 0.3)
        if process.poll() is not None:
            return False
        os.kill(process.pid, signal.SIGKILL)
    runs = folder / "runs.jsonl"
    if rng.random() < 0.5:
        size = runs.stat().st_size
        os.truncate(runs, size - rng.randint(1, 400))
    return True


def assert_kills_leave_no_trace(cli: Cli, small: Path, processes: int, kills: int) -> None:
    assert cli("study", "small.json", "-q", "-o", "whole").code == 0
    rng = random.Random(processes)  # noqa: S311  # no secret
    words = ["--processes", str(processes)]
    in_time = 0
    for _ in range(kills):
        if killed(words, small, rng):
            in_time += 1
        else:  # it has ended before: all runs again
            os.truncate(small / "runs.jsonl", 0)
    assert in_time >= kills // 2
    result = cli("study", "small.json", "-q", *words)
    assert result.code == 0, result.err
    assert truth(small) == truth(Path("whole"))


@pytest.mark.parametrize("processes", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_killed_study_ends_with_the_same_files(cli: Cli, small: Path, processes: int) -> None:
    assert_kills_leave_no_trace(cli, small, processes, kills=3 - processes)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_study_killed_twenty_times(cli: Cli, small: Path, processes: int) -> None:
    assert_kills_leave_no_trace(cli, small, processes, kills=20)


LONG = """
import layerkit.runs.training
layerkit.runs.training.EVERY = 0.0
layerkit.study("long.json", folder="killed")
"""


@pytest.mark.slow
def test_a_killed_run_of_many_epochs_goes_on(cli: Cli, folder: Path) -> None:
    """Killed again and again before its end, it ends all the same, with the same bytes."""
    study = {**SMALL, "set": {"train.epochs": 60, "layers.0.units": 8}, "grid": {}, "seeds": 1}
    Path("long.json").write_text(json.dumps(study))
    assert cli("study", "long.json", "-q", "-o", "whole").code == 0
    rng = random.Random(0)  # noqa: S311  # no secret
    kills = 0
    while count(folder / "killed") == 0:
        with subprocess.Popen([sys.executable, "-c", LONG]) as process:
            before = stamps(folder / "killed" / "checkpoints")
            while process.poll() is None and stamps(folder / "killed" / "checkpoints") == before:
                time.sleep(0.002)
            time.sleep(rng.random() * 0.2)
            process.kill()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 3
    assert truth(folder / "killed") == truth(folder / "whole")


def stamps(folder: Path) -> list[int]:
    return [p.stat().st_mtime_ns for p in folder.glob("*.layerkit")]


def test_no_worker_outlives_a_killed_study(small: Path) -> None:
    command = [sys.executable, "-m", "layerkit", "study", "small.json", "-q", "--processes", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        while count(small) < 1:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)  # ends when the last process that has the pipe does
    assert process.returncode == -signal.SIGKILL  # it did not end by itself before


def test_a_signal_ends_it_with_advice(cli: Cli, small: Path) -> None:
    command = [sys.executable, "-m", "layerkit", "study", "small.json", "--processes", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while count(small) < 1:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        assert process.returncode == 130
    assert b"of 12 runs finished, kept in small.study" in told
    assert b"the same command trains the rest" in told
    assert b"Traceback" not in told
    assert cli("study", "small.json", "-q").code == 0
    assert count(small) == 12


def test_status_and_report_tell_how_far_it_is(cli: Cli, small: Path) -> None:
    told = cli("study", "small.json", "--status")
    assert told.code == 0
    assert told.out.startswith("0 of 12 runs finished, in small.study\n")
    assert "missing: 1, -1, seed 0, 1\n" in told.out
    assert not small.exists()
    empty = cli("study", "small.json", "--report")
    assert "0 of 2" in empty.out
    assert cli("study", "small.json").code == 0
    lines = (small / "runs.jsonl").read_text().splitlines(keepends=True)
    (small / "runs.jsonl").write_text("".join(lines[:-1]))
    report = cli("study", "small.json", "--report")
    assert "11 of 12 runs finished" in report.out
    assert "1 of 2" in report.out
    found = cli("study", "small.json", "--report", "--json").json
    assert (found["done"], found["total"], found["metric"]) == (11, 12, "test_accuracy")
    means = [row["summary"]["mean"] for row in found["rows"]]
    assert means == sorted(means, reverse=True)


def test_the_report_fits_eighty_columns(
    cli: Cli, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = [cli("study", "small.json", "--status").out, cli("study", "small.json", "-q").out]
    assert max(len(line) for text in shown for line in text.splitlines()) <= 80
    assert "95 % interval" in shown[1]


def test_a_run_that_failed_is_told_by_status_and_report(cli: Cli, small: Path) -> None:
    nine = {"output.classes": list("012345678"), "layers.2.units": 9}
    told = {**SMALL, "grid": {"classes": {"nine": nine}}, "seeds": 1}
    Path("small.json").write_text(json.dumps(told))
    assert cli("study", "small.json", "-q").code == 1
    line = "nine, seed 0: failed: "
    assert line in cli("study", "small.json", "--status").out
    assert line in cli("study", "small.json", "--report").out


def test_seeds_until_it_is_precise(cli: Cli, small: Path) -> None:
    given = {**SMALL, "set": {"train.epochs": 1, "layers.0.units": 8}, "grid": {}}
    Path("small.json").write_text(json.dumps(given))
    words = ["study", "small.json", "-q", "--until", "half-width=5.5", "--until", "seeds=6"]
    assert "\nthe widest interval is ± " in cli(*words).out
    found = cli(*words, "--json").json
    assert (found["precision"]["seeds"], found["precision"]["reached"]) == (5, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--status", "--report"], "not both"),
        (["--status", "--processes", "2"], "train nothing"),
        (["--report", "--add", "seeds=1"], "train nothing"),
        (["--status", "--until", "half-width=1"], "train nothing"),
        (["--add", "seed=1"], "--add: expected seeds=N with a number above 0, got 'seed=1'"),
        (["--add", "seeds=0.5"], "got 'seeds=0.5'"),
        (["--until", "half-width=nan"], "expected half-width=N or seeds=N"),
        (["--until", "seeds=9"], "goes with --until half-width=W"),
        (["--report", "--engine", "dask"], "train nothing"),
        (["--scheduler", "tcp://127.0.0.1:8786"], "needs --engine"),
        (["--engine", "dask", "--processes", "2"], "not both"),
    ],
)
def test_options_that_contradict_are_refused(cli: Cli, small: Path, words: Any, told: str) -> None:
    result = cli("study", "small.json", *words)
    assert result.code == 2
    assert told in result.err


def test_a_folder_that_cannot_be_made_is_told(cli: Cli, small: Path) -> None:
    Path("taken").write_text("")
    result = cli("study", "small.json", "-o", "taken")
    assert result.code == 1
    assert "taken" in result.err
    assert Path("taken").read_text() == ""
