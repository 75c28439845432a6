"""The command line as a user meets it: arguments in; exit code, output and files out.

``cli`` runs a command in this process, through the same door as the installed one, in an empty
folder of its own. ``shell`` starts the installed command where only a process can tell.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit.cli import run

PETS: dict[str, Any] = {
    "layerkit": 1,
    "name": "pets",
    "input": {"columns": ["weight", "height"], "scale": "standardize"},
    "layers": [
        {"type": "dense", "units": 4, "activation": "tanh"},
        {"type": "highway", "activation": "tanh"},
        {"type": "dense", "units": 2},
    ],
    "output": {"classes": ["cat", "dog"], "column": "kind"},
    "train": {
        "test": 0.25,
        "epochs": 3,
        "optimizer": {"type": "adam", "learning_rate": 0.05},
    },
}


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document; NaN and Infinity are not JSON."""
        return json.loads(self.out, parse_constant=_refuse)

    @property
    def error(self) -> dict[str, Any]:
        """The error that --json puts on standard error."""
        told: dict[str, Any] = json.loads(self.err, parse_constant=_refuse)["error"]
        return told


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


Cli = Callable[..., Result]
Unchanged = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the test; holds pets.json and pets.csv."""
    monkeypatch.chdir(tmp_path)
    for name in ("LAYERKIT_DEBUG", "LAYERKIT_DATA", "NO_COLOR", "CI", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    Path("pets.json").write_text(json.dumps(PETS, indent=1))
    Path("pets.csv").write_text(pets_csv())
    return tmp_path


@pytest.fixture
def cli(folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process: ``cli("build", "pets.json", stdin=b"...")``."""

    def call(*words: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        code = run([str(word) for word in words])
        out, err = capfd.readouterr()
        assert "Traceback" not in err or "--debug" in words
        return Result(code, out, err)

    return call


@pytest.fixture
def shell(folder: Path) -> Cli:
    """Run the installed command: ``shell("build", "pets.json", env={...})``."""

    def call(*words: object, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Result:
        done = subprocess.run(
            [layerkit_command(), *map(str, words)],
            input=stdin,
            env={**os.environ, **(env or {})},
            capture_output=True,
            check=False,
            timeout=60,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


@pytest.fixture
def command() -> str:
    """Path of the installed command."""
    return layerkit_command()


@pytest.fixture
def pets(folder: Path) -> Path:
    """A trained model file."""
    model = layerkit.train(PETS, data="pets.csv").model
    layerkit.save(model, "pets.layerkit")
    return folder / "pets.layerkit"


@pytest.fixture
def spec(folder: Path) -> Callable[..., Path]:
    """Write a changed spec: ``spec("other.json", name="other", layers=[...])``."""

    def write(file: str, /, **changes: Any) -> Path:
        Path(file).write_text(json.dumps({**PETS, **changes}, indent=1))
        return folder / file

    return write


@pytest.fixture
def unchanged(folder: Path) -> Unchanged:
    """``with unchanged(): ...`` asserts that no file was added, removed or changed."""

    @contextmanager
    def check() -> Iterator[None]:
        before = snapshot(folder)
        yield
        assert snapshot(folder) == before

    return check


def snapshot(folder: Path) -> dict[str, bytes]:
    """Relative path to contents of all files."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def layerkit_command() -> str:
    """The console script beside this Python."""
    return str(Path(sys.executable).with_name("layerkit"))


def pets_csv(rows: int = 60) -> str:
    """Two kinds of pets, told apart by weight and height."""
    rng = np.random.default_rng(0)
    kinds: Sequence[str] = ("cat", "dog")
    lines = ["weight,height,kind"]
    for k in range(rows):
        dog = k % 2
        weight, height = rng.normal((4 + 20 * dog, 25 + 30 * dog), (2, 4))
        lines.append(f"{weight:.2f},{height:.2f},{kinds[dog]}")
    return "\n".join(lines) + "\n"
