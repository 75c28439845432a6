"""Callbacks from the command line: what they say, and that no finished epoch is lost."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import layerkit
from layerkit.discovery.registry import CALLBACKS

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

RUN = ("train", "pets.json", "--data", "pets.csv", "--epochs", "5", "--quiet")


@pytest.fixture
def raising() -> Iterator[None]:
    """The callback test.raising, which raises in its third epoch."""

    @layerkit.register
    class Raising(layerkit.Callback):
        type_name = "test.raising"

        def __init__(self, *, harmless: bool = False) -> None:
            self.harmless = harmless

        def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
            if epoch == 3 and not self.harmless:
                raise RuntimeError("the printer is on fire")

    yield
    CALLBACKS.unregister("test.raising")


def callbacks(*wanted: Any) -> str:
    return f"train.callbacks={json.dumps(wanted)}"


@pytest.mark.usefixtures("raising")
def test_a_callback_that_raises_leaves_a_model_to_resume(cli: Cli) -> None:
    done = cli(*RUN, "--set", callbacks("test.raising"))
    assert done.code == 1
    assert done.err.startswith(
        "error LK-402: callback 'test.raising': epoch raised RuntimeError: the printer is on fire\n"
    )
    assert "the model as it was after epoch 3 is in" in done.err
    assert "layerkit resume pets.layerkit" in done.err.replace(f"{Path.cwd()}/", "")
    again = cli("resume", "pets.layerkit", "--data", "pets.csv", "--quiet")
    assert again.code == 0
    told = cli(*RUN, "--set", callbacks("test.raising"), "-o", "b.layerkit", "--json").error
    assert (told["code"], "run" in told) == ("LK-402", False)


def test_a_time_budget_of_the_command(cli: Cli) -> None:
    done = cli(*RUN, "--max-seconds", "0.001", "--json")
    assert done.code == 0
    (run,) = done.json["runs"]
    assert run["ended"] == "early"
    assert run["reason"].startswith("the time budget of 0.001 s is used up")
    rest = cli("resume", "pets.layerkit", "--data", "pets.csv", "--quiet", "--json")
    if run["epochs"]:
        assert rest.json["runs"][0]["epochs"] == 5


def test_the_guard_says_what_it_did_and_then_fails_as_before(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layerkit.training.loop import Loop

    real, bad = Loop.epoch, [2, 2]

    def epoch(loop: Loop, number: int, *facts: Any) -> Any:
        values = real(loop, number, *facts)
        if bad and number == bad[0]:
            bad.pop()
            raise layerkit.TrainingDivergedError("the loss became nan", epoch=3, batch=1)
        return values

    monkeypatch.setattr(Loop, "epoch", epoch)
    failed = cli(*RUN, "--set", callbacks("divergence_guard"))
    assert failed.code == 1
    assert "back to where it began, with 0.1 times the learning rate" in failed.err
    assert "error LK-401: the loss became nan" in failed.err
    assert "the model as it was after epoch 2 is in" in failed.err
    bad.append(2)
    done = cli(*RUN, "--set", callbacks("divergence_guard"), "-o", "b.layerkit", "--json")
    assert done.code == 0
    assert len(done.json["notices"]) == 1
    assert all(map(math.isfinite, done.json["runs"][0]["metrics"].values()))


def test_a_disk_that_fills_up_while_checkpointing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning says so, earlier files are intact, and the result is saved."""
    real = os.replace

    def full(source: Any, target: Any) -> None:
        if "last" in str(target) and Path(target).exists():
            raise OSError(28, "No space left on device", str(target))
        real(source, target)

    monkeypatch.setattr("os.replace", full)
    done = cli(*RUN, "--set", callbacks({"type": "checkpoint", "folder": "c"}))
    assert done.code == 0
    assert done.err.count("warning: the checkpoint after epoch") == 4
    assert "No space left on device" in done.err
    assert len(layerkit.load("c/pets-s0-last.layerkit").history["loss"]) == 1
    assert len(layerkit.load("pets.layerkit").history["loss"]) == 5


def test_seeds_show_their_mean_and_what_an_interruption_left(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layerkit.cli.progress import TrainingProgress

    done = cli(*RUN, "--seeds", "3", "--json", "-o", "j.layerkit")
    losses = [run["metrics"]["test_loss"] for run in done.json["runs"]]
    shown = cli(*RUN, "--seeds", "3", "-o", "j.layerkit").out
    mean = next(line for line in shown.splitlines() if line.startswith("mean"))
    assert float(mean.split()[1]) == pytest.approx(sum(losses) / 3, rel=1e-3)
    assert any(line.strip().startswith("sd ") for line in shown.splitlines())
    real = TrainingProgress.begin

    def begin(progress: TrainingProgress, name: str, *, seed: int, **facts: int) -> None:
        real(progress, name, seed=seed, **facts)
        progress.interrupted = seed == 2

    monkeypatch.setattr(TrainingProgress, "begin", begin)
    part = cli(*RUN, "--seeds", "4", "-o", "k.layerkit")
    assert part.code == 130
    assert "not finished: seed 2 (not begun), 3 (not begun)" in part.out
    assert "mean" in part.out
