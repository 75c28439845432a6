"""``layerkit train --folds``: text, JSON, what an interruption leaves, what is refused."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import layerkit

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli, Unchanged

WORDS = ("train", "pets.json", "--data", "pets.csv", "--folds", 3)


def test_it_shows_each_fold_and_the_metrics_over_them(cli: Cli, folder: Path) -> None:
    before = sorted(folder.iterdir())
    done = cli(*WORDS)
    assert done.code == 0
    assert sorted(folder.iterdir()) == before
    told = cli(*WORDS, "--json").json
    lines = done.out.split("\n")
    assert lines[0] == "pets: cross-validation of 45 rows in 3 folds, seed 0"
    assert lines[2].split() == [
        "fold", "trained", "on", "judged", "on", "epochs", "loss", "accuracy"
    ]  # fmt: skip
    for line, fold in zip(lines[4:7], told["folds"], strict=True):
        accuracy = f"{100 * fold['metrics']['accuracy']:.2f}"
        assert line.split()[:4] == [str(fold["number"]), "30", "15", "3"]
        assert line.split()[5] == accuracy
    summary = told["summaries"]["accuracy"]
    (line,) = [line for line in lines if line.startswith("accuracy")]
    assert line.split()[1] == f"{100 * summary['mean']:.2f}"
    assert f"{100 * summary['low']:.2f} % to {100 * summary['high']:.2f} %" in line
    assert "always guessing '" in done.out
    assert "15 test rows stayed untouched\nno model was saved: train without --folds" in done.out
    assert max(map(len, lines)) <= 80
    classes = "rows per class: cat: 23 (51 %), dog: 22 (49 %)\n"
    assert done.err.startswith(f"{classes}pets-fold-1-of-3 seed 0: 30 rows, 3 epochs\nepoch 1/3")


def test_json_is_what_python_gives(cli: Cli) -> None:
    done = cli(*WORDS, "--seed", 4, "--epochs", 2, "--json")
    assert done.err == ""
    told = done.json
    rows = layerkit.load_data("pets.csv", labels="kind")
    found = layerkit.cross_validate(
        "pets.json", folds=3, data=rows, seed=4, settings=["train.epochs=2"]
    ).to_json()
    for one in (*found["folds"], *told["folds"]):
        del one["seconds"]
    assert {**told, "notices": []} == {**found, "notices": []}


def test_ctrl_c_leaves_the_finished_folds(command: str, folder: Path) -> None:
    words = [command, *map(str, WORDS), "--epochs", "2000"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("pets-fold-2-of-3"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping after this batch, then reporting the finished folds; Ctrl-C again" in err
    assert "   1          30         15    2000" in out
    assert "not finished: folds 2 to 3; the numbers are of the finished folds alone" in out
    assert list(folder.glob("*.layerkit")) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-o", "x.layerkit"), "--folds saves no model, so --output cannot be used with it"),
        (("--seeds", 2), "--folds saves no model, so --seeds cannot be used with it"),
        (("--replace",), "--folds saves no model, so --replace cannot be used with it"),
        (("--folds", 1), "--folds: expected an integer >= 2, got 1"),
        (("--folds", 99), "expected at least 99 rows for 99 folds, got 45"),
    ],
    ids=["output", "seeds", "replace", "one", "too many"],
)
def test_what_is_refused(cli: Cli, words: tuple[object, ...], expected: str) -> None:
    done = cli(*WORDS, *words)
    assert done.code in (1, 2)
    assert done.out == ""
    assert expected in done.err


def test_a_model_cannot_be_cross_validated(cli: Cli, pets: Path, unchanged: Unchanged) -> None:
    done = cli("train", pets, "--data", "pets.csv", "--folds", 3)
    assert done.code == 2
    assert "--folds needs a spec" in done.err
