"""Every command fits the terminal: no line is wider, and no table is broken into soup.

Exempt are what a reader copies: a command on a line of its own, and a word, such as a path, that is
longer than the line. What programs read (JSON, predictions) keeps its form.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

import layerkit
from layerkit.cli.app import app
from layerkit.cli.layout import fitted, table
from layerkit.cli.progress import _fitting, _shares
from tests.e2e.conftest import PETS

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

NAME = "a-model-with-a-very-long-name-that-someone-has-chosen-carefully"
METRICS: list[Any] = [
    *("accuracy", "macro_f1", "log_loss"),
    *({"type": "top_k", "k": k} for k in (1, 2)),
]
COMMAND = re.compile(
    r" *((\$|again|help:|Usage:|cat rows.csv \|) *)?(layerkit [a-z]+ |python -m |cd )"
)
WIDTHS = (60, 80, 120)


@pytest.fixture
def wide(folder: Path) -> str:
    """The file of a model with a long name, many metrics and a layer with a long name."""
    layers: list[Any] = [{**one} for one in PETS["layers"]]
    layers[1]["name"] = "the-highway-layer-in-the-middle-of-this-model"
    train = {**PETS["train"], "validation": 0.2, "metrics": METRICS}
    document = {**PETS, "name": NAME, "layers": layers, "train": train}
    Path("wide.json").write_text(json.dumps(document))
    run = layerkit.train(document, data="pets.csv")
    layerkit.save(run.model, "wide.layerkit")
    other = layerkit.train(document, data="pets.csv", seed=1)
    layerkit.save(other.model, f"{NAME}-of-another-seed.layerkit")
    grid = {"layers.1.activation": ["tanh", "relu"], "train.optimizer.learning_rate": [0.05, 0.01]}
    study = {"layerkit_study": 1, "name": NAME, "spec": "wide.json", "grid": grid, "seeds": 2}
    Path("study.json").write_text(json.dumps({**study, "data": "pets.csv"}))
    matched = {**study, "data": "pets.csv", "match": {"what": "params", "to": 700, "allow": 0.9}}
    Path("matched-study.json").write_text(json.dumps(matched))
    space = {"train.batch_size": [8, 16, 32], "layers.0.units": [4, 5, 6, 7]}
    tuned = {"trials": 2, "space": space, "set": {"train.epochs": 1}}
    Path("tuned.json").write_text(
        json.dumps({**study, "data": "pets.csv", "seeds": 1, "search": tuned})
    )
    Path("bad-study.json").write_text(json.dumps({**study, "grid": {"layers.7.units": [1]}}))
    Path("more.csv").write_text("".join([*Path("pets.csv").read_text().splitlines(True)[:-1]]))
    Path("bad.json").write_text(json.dumps({**document, "layers": [{"type": "hghway"}]}))
    return "wide.layerkit"


SMALL = ("--seeds", "2", "--no-timing", "--no-keep")
RUNS: dict[str, list[list[str]]] = {
    "build": [["wide.json", "--dry-run"], ["bad.json"], ["none.json"], []],
    "train": [
        ["wide.json", "--data", "pets.csv", "-o", "new.layerkit"],
        ["wide.json", "--data", "pets.csv", "-o", "seeds.layerkit", "--seeds", "3"],
        ["wide.json", "--data", "pets.csv", "-o", "short.layerkit", "--max-seconds", "0.001"],
        ["wide.json", "--data", "none.csv"],
        ["wide.json", "--data", "pets.csv", "--set", "train.early_stoping=3", "-o", "x.layerkit"],
    ],
    "resume": [["wide.layerkit", "--data", "pets.csv", "--epochs", "4", "-o", "on.layerkit"]],
    "eval": [["wide.layerkit", "--data", "pets.csv", "--split", "all"]],
    "doctor": [
        ["wide.json", "--data", "pets.csv", "--layers"],
        ["wide.layerkit", "--data", "none"],
    ],
    "lens": [
        ["wide.layerkit", "--data", "pets.csv", "--split", "all", "--row", "2", "--html", "l.html"],
        ["wide.layerkit", "--data", "pets.csv", "--split", "all", "--row", "2000"],
    ],
    "infer": [["wide.layerkit", "pets.csv", "--to", "out.csv"], ["wide.layerkit", "none.csv"]],
    "compare": [
        ["wide.json", "pets.json", "--data", "pets.csv", *SMALL],
        ["wide.json", "pets.json", "--data", "pets.csv", "--data", "pets.json", *SMALL],
        ["wide.json", "pets.json", "--data", "pets.csv", "--data", "more.csv", *SMALL],
        ["wide.layerkit", f"{NAME}-of-another-seed.layerkit", "--data", "pets.csv", "--no-timing"],
        ["wide.json", "--no-keep", "--engine", "dask", "--scheduler", f"tcp://{NAME}"],
    ],
    "study": [
        ["study.json"],
        ["study.json", "--status", "-o", "another-folder-with-a-long-name"],
        ["study.json", "--report", "--html", "a-page.html", "--figures", "pictures", "--timing"],
        ["study.json", "--engine", "dask", "--scheduler", f"tcp://{NAME}", "-o", "none"],
        ["bad-study.json"],
        ["matched-study.json", "--status", "-o", "none.study"],
        ["tuned.json", "-o", "tuned", "-q"],
    ],
    "inspect": [["wide.layerkit"], ["wide.layerkit", "--tensors"]],
    "verify": [["wide.layerkit", f"{NAME}-of-another-seed.layerkit"], ["pets.csv"]],
    "diff": [["wide.layerkit", f"{NAME}-of-another-seed.layerkit"]],
    "upgrade": [["wide.layerkit", "-o", "upgraded.layerkit"]],
    "deploy": [["wide.layerkit", "-o", "deployed.layerkit"]],
    "export": [["wide.layerkit", "--to", "python", "--verify", "self"], ["wide.layerkit"]],
    "import": [["none.npz", "--spec", "wide.json"], ["pets.csv", "--spec", "wide.json"]],
    "models": [[]],
    "schema": [],
    "explain": [
        *(["LK-201"], ["LK-305"], ["train.data"], ["train.callbacks"], ["highway"], ["nothing"]),
        *(["highway.gate_bias"], ["projection", "--trace"], ["checkpoint"]),
    ],
    "spec init": [["pets.csv", "-o", "first.json"], ["pets.csv", "--target", "none"]],
    "spec match": [
        ["depth-plain-10", "depth-highway-10"],
        ["depth-plain-10", "depth-highway-10", "-o", "a-spec-with-a-long-name-that-is-solved.json"],
        ["depth-plain-10", "12"],
        ["depth-plain-10", "50000", "--free", "layers.0.unit"],
    ],
    "plugins list": [[], ["--check"]],
    "plugins check": [["dense"], ["--list"], ["--list", "dense"]],
    "plugins why": [["dense"], ["mse"]],
    "plugins doctor": [[]],
    "plugins new": [["acme.a-layer-with-a-name-that-is-long", "--out", "made"]],
    "demo": [
        ["--out", "shown", "--seeds", "1", "--set", "train.epochs=1"],
        ["--depth", "--out", "deep", "--seeds", "1", "--set", "train.epochs=1"],
    ],
}


def commands() -> set[str]:
    found = typer.main.get_command(app)
    words = set()
    for name, command in found.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        words |= {f"{name} {word}" for word in inner} if inner else {name}
    return words


def too_wide(text: str, columns: int) -> list[str]:
    """The lines that are wider than ``columns`` and not exempt."""
    return [
        line
        for line in text.split("\n")
        if len(line) > columns
        and not COMMAND.match(line)
        and (len(line.split()) > 1 or set(line) == {"-"})
    ]


def test_no_command_is_left_out() -> None:
    assert set(RUNS) == commands()


@pytest.mark.parametrize(
    "columns", [c if c == 80 else pytest.param(c, marks=pytest.mark.slow) for c in WIDTHS]
)
@pytest.mark.parametrize("command", sorted(RUNS))
def test_a_command_fits(
    cli: Cli, wide: str, monkeypatch: pytest.MonkeyPatch, command: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    Path("made").mkdir()
    assert too_wide(cli(*command.split(), "--help").out, columns) == []
    for words in RUNS[command]:
        done = cli(*command.split(), *words)
        assert too_wide(done.out, columns) == [], words
        assert too_wide(done.err, columns) == [], words
        assert done.out or done.err


# ---- the pieces


def test_lines_are_folded_between_facts_and_words() -> None:
    facts = "epoch 1/3  loss 0.5813  val_accuracy 100.00 %  val_loss 0.2"
    assert fitted(facts, 40).split("\n") == [
        "epoch 1/3  loss 0.5813",
        "           val_accuracy 100.00 %",
        "           val_loss 0.2",
    ]
    assert fitted("a note: one two three four", 18) == "a note: one two\n  three four"
    assert fitted(facts, None) == facts


def test_commands_and_paths_stay_whole() -> None:
    command = "continue with: layerkit resume /a/very/long/path/to/some/model.layerkit"
    assert fitted(command, 40).split("\n") == [
        "continue with:",
        "  layerkit resume /a/very/long/path/to/some/model.layerkit",
    ]
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        one = f"layerkit {name} a-long-word another-long-word a-third"
        assert fitted(one, 40) == one
    path = "saved /a/very/long/path/to/some/model/that/is/long.layerkit (3 kB)"
    assert fitted(path, 40).split("\n") == ["saved", f"  {path[6:-7]}", "  (3 kB)"]


HEAD = ("name", "one", "two", "what it is")
ROWS = [("first", "1", "22", "a few words"), ("second", "333", "4", "some more words about it")]


def test_every_command_stays_whole() -> None:
    lines = [f"layerkit {name} a-file.layerkit --data rows.csv --json" for name in commands()]
    assert [fitted(line, 20) for line in lines] == lines


def test_a_table_that_fits_is_as_it_was() -> None:
    natural = table(HEAD, ROWS, "lrrl", limit=200)
    assert natural.split("\n")[2] == "first     1   22  a few words"
    assert table(HEAD, ROWS, "lrrl", limit=max(map(len, natural.split("\n")))) == natural


def test_the_last_column_of_text_is_folded() -> None:
    folded = table(HEAD, ROWS, "lrrl", limit=40)
    assert folded.split("\n")[3:] == [
        "second  333    4  some more words",
        "                    about it",
    ]


def test_a_wide_table_becomes_several_with_the_first_column_in_each() -> None:
    rows = [[f"row{k}", *[f"{k}{j}" * 4 for j in range(6)]] for k in range(2)]
    found = table(["", *"abcdef"], rows, "l" + "r" * 6, limit=30).split("\n\n")
    assert [part.split("\n")[0].split() for part in found] == [["a", "b"], ["c", "d"], ["e", "f"]]
    assert all("row0" in part and "row1" in part for part in found)


def test_what_does_not_fit_at_all_becomes_blocks() -> None:
    rows = [["a-very-long-name-of-a-row", "1", "a-long-value"]]
    assert table(["name", "one", "two"], rows, "lrr", limit=30).split("\n") == [
        "a-very-long-name-of-a-row",
        "  one  1",
        "  two  a-long-value",
    ]


@pytest.mark.parametrize("columns", [40, *WIDTHS])
def test_the_bar_fits(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    values = dict.fromkeys(("loss", "accuracy", "macro_f1", "val_loss", "val_accuracy"), 0.123456)
    for name in ("net", NAME):
        bar, label = _shares(name, 12, 1000)
        taken = len(label) + bar + len("epoch 1000/1000") + len("0:00:00") + 4
        shown = _fitting(values, columns - taken)
        assert taken + len(shown) <= columns
        assert shown.startswith("loss 0.1235") or columns < 60
        assert "seed 12" in label or columns < 60


@pytest.mark.parametrize("columns", [60, 80])
def test_the_bar_on_a_real_terminal(wide: str, command: str, columns: int) -> None:
    """Drawn again and again, it never takes a second line, and shows the loss and a metric."""
    words = [command, "train", "wide.json", "--data", "pets.csv", "--epochs", "40", "-o", "bar"]
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_terminal(words, columns))
    frames = re.split(r"[\r\n]+", shown)
    assert too_wide("\n".join(frames), columns) == []
    last = [line for line in frames if "epoch 40/40" in line][-1]
    assert "seed 0" in last
    assert "loss 0." in last
    assert columns < 80 or "val_" in last or "accuracy" in last


def on_terminal(words: list[str], columns: int) -> str:
    """All that a command shows on a terminal of its own, ``columns`` wide."""
    read, write = pty.openpty()
    fcntl.ioctl(write, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    env = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(words, stdin=write, stdout=write, stderr=write, env=env)
    os.close(write)
    shown = b""
    with suppress(OSError):  # how Linux says that the other side is closed
        while piece := os.read(read, 65536):
            shown += piece
    os.close(read)
    assert process.wait(timeout=60) == 0
    return shown.decode()
