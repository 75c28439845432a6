"""What was trained is there afterwards: signals, checkpoints, other runs' files, full disks."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import layerkit
from layerkit.cli.failures import TerminationSignal
from layerkit.cli.progress import TrainingProgress
from layerkit.codec.layout import MAGIC

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli, Unchanged

DATA = ("--data", "pets.csv")
SPARE = Path("pets-checkpoint.layerkit")


@pytest.fixture
def signalled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``signalled(7)``: as if SIGTERM came in the seventh batch from now."""

    def press(batch: int, number: int = signal.SIGTERM) -> None:
        left = iter(range(batch - 1, -1, -1))

        def stop(watch: TrainingProgress) -> bool:
            if next(left, 1) == 0:
                os.kill(os.getpid(), number)
            return watch.interrupted

        monkeypatch.setattr("layerkit.cli.progress.TrainingProgress.stop", stop)

    return press


def epochs_in(path: str | Path) -> int:
    return len(layerkit.load(path).history["loss"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("words", [("train", "pets.json"), ("resume", "part.layerkit")])
def test_a_signal_finishes_the_batch_and_saves(
    cli: Cli, signalled: Callable[..., None], number: int, code: int, words: tuple[str, str]
) -> None:
    signalled(3)
    cli("train", "pets.json", *DATA, "-q", "-o", "part.layerkit")
    signalled(3, number)
    done = cli(*words, *DATA)
    assert done.code == code
    assert "stopping after this batch, then saving" in done.err
    assert epochs_in("pets.layerkit" if words[0] == "train" else "part.layerkit") >= 1
    if words[0] == "train":
        signalled(1000)
        cli("resume", "pets.layerkit", *DATA, "-q")
        cli("train", "pets.json", *DATA, "-q", "-o", "whole.layerkit")
        assert Path("pets.layerkit").read_bytes() == Path("whole.layerkit").read_bytes()


def test_a_stopped_training_leaves_the_finished_model_of_before(
    cli: Cli, pets: Path, signalled: Callable[..., None]
) -> None:
    before = pets.read_bytes()
    signalled(1)
    done = cli("train", "pets.json", *DATA, "-q")
    assert (done.code, pets.read_bytes()) == (143, before)
    assert "nothing was saved: pets.layerkit is unchanged" in done.out
    assert not SPARE.exists()
    signalled(3)
    done = cli("train", "pets.json", *DATA, "-q")
    assert (done.code, pets.read_bytes()) == (143, before)
    assert f"continue with: layerkit resume {SPARE}" in done.out
    signalled(1000)
    done = cli("resume", SPARE, *DATA, "-q")
    assert (done.code, pets.read_bytes()) == (0, before)  # equal trainings, equal bytes
    assert not SPARE.exists()


@pytest.mark.parametrize("batch", [1, 3, 7, 9, 12])
def test_seeds_go_on_where_they_were_stopped(
    cli: Cli, signalled: Callable[..., None], batch: int, folder: Path
) -> None:
    words = ("train", "pets.json", *DATA, "--seeds", 3)
    cli(*words, "-q", "-o", "whole.layerkit")
    signalled(batch)
    done = cli(*words)
    assert done.code == 143
    finished = batch // 6
    assert "continue with the same command" in done.out
    assert f"seed {finished} " in done.out.split("not finished: ")[1]
    there = {f"pets-s{k}.layerkit": Path(f"pets-s{k}.layerkit").stat() for k in range(finished)}
    signalled(1000)
    again = cli(*words, "--json")
    assert again.code == 0
    assert [run["kept"] for run in again.json["runs"]] == [k < finished for k in range(3)]
    assert again.json["unfinished"] == []
    for name, seen in there.items():
        assert Path(name).stat().st_mtime_ns == seen.st_mtime_ns
    for k in range(3):
        ends = [Path(f"{name}-s{k}.layerkit").read_bytes() for name in ("whole", "pets")]
        assert ends[0] == ends[1]
    assert not list(folder.glob("*checkpoint*"))


def test_seeds_of_other_rows_are_trained_again(cli: Cli) -> None:
    cli("train", "pets.json", *DATA, "--seeds", 2, "-q")
    Path("other.csv").write_text("\n".join(Path("pets.csv").read_text().split("\n")[:50]) + "\n")
    done = cli("train", "pets.json", "--data", "other.csv", "--seeds", 2, "--json")
    assert [run["kept"] for run in done.json["runs"]] == [False, False]


def test_a_kill_at_any_moment_loses_nothing_finished(folder: Path, command: str) -> None:
    spec = json.loads(Path("pets.json").read_text())
    spec["train"]["epochs"] = 60
    Path("pets.json").write_text(json.dumps(spec))
    words = [command, "train", "pets.json", *DATA, "--seeds", "4", "-q", "--checkpoint", "0.001"]
    chance = random.Random(5)  # noqa: S311
    finished: dict[str, bytes] = {}
    for kill in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, None):
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
            if kill is not None:
                time.sleep(chance.uniform(0.4, 0.9))
                process.send_signal(kill)
            assert process.wait(60) in (0, -9, -15, 143)
        for name, content in finished.items():
            assert Path(name).read_bytes() == content
        for path in folder.glob("*.layerkit"):
            if epochs_in(path) == 60 and "checkpoint" not in path.name:
                finished[path.name] = path.read_bytes()
    assert sorted(finished) == [f"pets-s{k}.layerkit" for k in range(4)]


@pytest.mark.parametrize("content", [b"my notes, no model", MAGIC + b"\x00", None])
def test_another_runs_checkpoint_is_neither_replaced_nor_removed(
    cli: Cli, pets: Path, unchanged: Unchanged, content: bytes | None
) -> None:
    SPARE.write_bytes(pets.read_bytes() if content is None else content)
    with unchanged():
        done = cli("train", "pets.json", *DATA, "-q")
    assert done.code == 1
    assert "--checkpoint 0" in done.err
    if content is None:
        assert (
            f"another training, stopped after epoch 3; continue it (layerkit resume {SPARE})"
            in done.err
        )
    before = SPARE.read_bytes()
    assert cli("train", "pets.json", *DATA, "-q", "--checkpoint", 0).code == 0
    assert SPARE.read_bytes() == before


def test_a_finished_model_by_a_checkpoints_name_survives(cli: Cli, pets: Path) -> None:
    pets.rename(SPARE)
    before = SPARE.read_bytes()
    done = cli("resume", SPARE, *DATA, "-q", "--epochs", 5, "-o", "longer.layerkit")
    assert done.code == 0
    assert SPARE.read_bytes() == before
    assert cli("resume", SPARE, *DATA, "-q", "--epochs", 5).code == 0
    assert epochs_in("pets.layerkit") == 5
    assert not SPARE.exists()


def test_a_checkpoint_is_pointed_to_where_its_model_is_missing(cli: Cli, pets: Path) -> None:
    pets.rename(SPARE)
    for words in (("resume", "pets.layerkit"), ("eval", "pets.layerkit")):
        assert f"continue it with: layerkit resume {SPARE}" in cli(*words, *DATA).err


def test_a_model_at_a_url_is_resumed_into_an_earlier_file(cli: Cli) -> None:
    pytest.importorskip("fsspec", reason='the extra "remote" is not installed')
    for name in ("part.layerkit", "longer.layerkit"):
        assert cli("train", "pets.json", *DATA, "-q", "-o", name).code == 0
    url = Path("part.layerkit").resolve().as_uri()
    done = cli("resume", url, *DATA, "-q", "--epochs", 5, "-o", "longer.layerkit")
    assert (done.code, done.err) == (0, "")
    assert (epochs_in("part.layerkit"), epochs_in("longer.layerkit")) == (3, 5)


def test_resume_checkpoints_as_train_does(
    cli: Cli, signalled: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    signalled(3)
    cli("train", "pets.json", *DATA, "-q")
    signalled(1000)
    seen: list[int] = []
    monkeypatch.setattr(
        "layerkit.cli.progress.TrainingProgress.epoch",
        lambda *_: seen.append(epochs_in(SPARE) if SPARE.exists() else 0),
    )
    assert cli("resume", "pets.layerkit", *DATA, "-q", "--checkpoint", 1e-9).code == 0
    assert seen == [0, 2]
    assert not SPARE.exists()


@pytest.mark.parametrize(
    "change", [{"layers": [{"type": "dense", "units": 2}]}, {"train": {"epochs": 1}}]
)
def test_a_model_of_another_spec_is_not_replaced_silently(
    cli: Cli, pets: Path, spec: Callable[..., Path], unchanged: Unchanged, change: dict[str, Any]
) -> None:
    spec("other.json", **change)
    with unchanged():
        for words in ((), ("-o", "pets.layerkit")):
            done = cli("train", "other.json", *DATA, "-q", *words)
            assert done.code == 1
            assert "pets.layerkit holds a model of another spec ('pets'; different: " in done.err
            assert "--replace" in done.err
    assert cli("train", "other.json", *DATA, "-q", "-o", "other.layerkit").code == 0
    done = cli("train", "other.json", *DATA, "-q", "--replace")
    assert (done.code, "replacing the file that was there" in done.out) == (0, True)


def test_the_same_spec_is_trained_again_with_another_seed_or_total(cli: Cli, pets: Path) -> None:
    for words in (("--seed", 4), ("--epochs", 2)):
        done = cli("train", "pets.json", *DATA, "-q", *words)
        assert (done.code, "replacing the file that was there" in done.out) == (0, True)


def test_a_model_that_appears_meanwhile_is_not_replaced(
    cli: Cli, spec: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec("other.json", layers=[{"type": "dense", "units": 2}])
    other = layerkit.train("other.json", data="pets.csv").model
    monkeypatch.setattr(
        "layerkit.cli.progress.TrainingProgress.end",
        lambda *_: layerkit.save(other, "pets.layerkit"),
    )
    done = cli("train", "pets.json", *DATA, "-q")
    assert done.code == 1
    assert "another run has written this file meanwhile" in done.err
    assert "the trained model is in " in done.err
    assert len(layerkit.load("pets.layerkit").spec.layers) == 1
    assert len(layerkit.load("pets-2.layerkit").spec.layers) == 3


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
def test_a_model_that_cannot_be_saved_goes_elsewhere(
    cli: Cli, error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real, home = layerkit.save, tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))

    def full(model: Any, path: Any, **options: Any) -> Any:
        if Path(path).absolute().parent == tmp_path and "checkpoint" not in str(path):
            raise error
        return real(model, path, **options)

    monkeypatch.setattr("layerkit.save", full)
    done = cli("train", "pets.json", *DATA, "-q", "--checkpoint", 1e-9)
    assert (done.code, done.out) == (1, "")
    assert f"the trained model is in {home / 'pets-2.layerkit'}" in done.err
    assert epochs_in(home / "pets-2.layerkit") == 3
    assert SPARE.exists()


def test_a_seed_that_no_spec_can_hold_is_refused(cli: Cli, unchanged: Unchanged) -> None:
    with unchanged():
        found = cli("train", "pets.json", *DATA, "--seed", 2**63)
        assert found.code == 1
        assert "--seed 9223372036854775808" in found.err


def test_signals_outside_of_a_training_stop_at_once() -> None:
    def sent(watch: TrainingProgress, *, begun: bool) -> None:
        with watch:
            if begun:
                watch.begin("x", seed=0, epochs=1, rows=1)
                os.kill(os.getpid(), signal.SIGTERM)
                assert watch.exit_code == 143
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    for begun in (False, True):
        with pytest.raises(TerminationSignal):
            sent(TrainingProgress(silent=True), begun=begun)
        assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(TerminationSignal):  # a command that ends as Ctrl-C does
        _given_up()


def test_a_signal_that_a_callback_swallows_still_stops_the_training() -> None:
    with TrainingProgress(silent=True) as watch:
        with suppress(TerminationSignal):  # as a callback of ctypes does
            os.kill(os.getpid(), signal.SIGTERM)
        watch.begin("x", seed=0, epochs=1, rows=1)
        assert watch.stop()


def _given_up() -> None:
    with TrainingProgress(silent=True) as watch:
        watch.begin("x", seed=0, epochs=1, rows=1)
        os.kill(os.getpid(), signal.SIGTERM)
        raise KeyboardInterrupt


def test_what_every_seed_has_to_tell_is_told_once(cli: Cli) -> None:
    table = Path("pets.csv").read_text()
    Path("bars.csv").write_text(table.replace(",", "|"))
    done = cli("train", "pets.json", "--data", "bars.csv", "--seeds", 2, "-q")
    assert done.code == 0
    assert done.err.count("note: assumed of bars.csv: ") == done.err.count("assumed of") == 1
