"""The readers in docs/examples/readers need no layerkit and find what layerkit finds."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit.codec import format_dtype

ROOT = Path(__file__).resolve().parents[2]
READERS = ROOT / "docs" / "examples" / "readers"
V1 = ROOT / "tests" / "golden" / "v1"
EXPECTED = json.loads((V1 / "expected.json").read_text("utf-8"))
FILES = sorted(
    name
    for name, entry in EXPECTED.items()
    if name != "resumed" and entry.get("tensors", "OK") == "OK" and entry["format"] == [1, 0]
)
TOO_NEW = ("major.layerkit", "required.layerkit")

Lines = list[list[Any]]


def lines_of(command: list[str]) -> Lines:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def refused(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    return done.stderr


def damaged(folder: Path) -> dict[str, Path]:
    """Copies of a golden file with one byte changed, by what is wrong with them."""
    raw = (V1 / "binary.layerkit").read_bytes()
    length = int.from_bytes(raw[23:27], "big")
    places = {"the header is corrupt": 300, "is corrupt": len(raw) - 1, "not a layerkit file": 0}
    places["cut off"] = 20
    files = {}
    for reason, at in places.items():
        files[reason] = folder / f"{at}.layerkit"
        files[reason].write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    pad = folder / "pad.layerkit"  # in the frame of the first tensor, under no digest
    pad.write_bytes(raw[: 87 + length + 2] + b"\1" + raw[87 + length + 3 :])
    return {**files, "W is corrupt": pad}


def holds(lines: Lines, names: list[str]) -> None:
    """The lines that a reader prints for several files, against layerkit."""
    rest = iter(lines)
    for name in names:
        for tensor, array in layerkit.load_tensors(V1 / name).items():
            found, dtype, shape, payload, *first = next(rest)
            assert found == tensor
            assert dtype in (array.dtype.str, format_dtype(array.dtype))
            assert shape == list(array.shape)
            assert payload == array.tobytes().hex()
            for values in first:  # numbers as JavaScript spells them
                flat = array.reshape(-1)[:4]
                if array.dtype.kind in "iu":
                    assert [int(v) for v in values] == flat.tolist()
                elif array.dtype.str in ("<f4", "<f8"):
                    got = [float(v.replace("Infinity", "inf")) for v in values]
                    np.testing.assert_array_equal(np.array(got, array.dtype), flat)
    assert next(rest, None) is None


def test_files_there_are() -> None:
    assert len(FILES) >= 16
    assert "tiny.layerkit" in FILES


def test_the_python_reader_finds_the_same() -> None:
    reader = [sys.executable, "-I", str(READERS / "read.py")]
    holds(lines_of([*reader, *(str(V1 / name) for name in FILES)]), FILES)


def test_the_python_reader_does_without_layerkit() -> None:
    names = {
        line.split()[1].partition(".")[0]
        for line in (READERS / "read.py").read_text("utf-8").splitlines()
        if line.startswith(("import ", "from "))
    }
    assert names == {"hashlib", "json", "sys", "pathlib", "msgpack", "numpy"}


def test_the_python_reader_refuses_what_is_damaged_or_too_new(tmp_path: Path) -> None:
    reader = [sys.executable, "-I", str(READERS / "read.py")]
    for reason, path in damaged(tmp_path).items():
        assert reason in refused([*reader, str(path)])
    for name in TOO_NEW:
        assert "ValueError" in refused([*reader, str(V1 / name)])


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs read.mjs, its one dependency installed in a temporary folder."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not both installed")
    folder = tmp_path_factory.mktemp("readers")
    for name in ("package.json", "read.mjs"):
        shutil.copy(READERS / name, folder)
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    try:
        done = subprocess.run(
            install, cwd=folder, capture_output=True, text=True, check=False, timeout=60
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm install takes more than a minute")
    if done.returncode != 0:
        pytest.skip(f"npm cannot fetch @msgpack/msgpack: {(done.stderr or done.stdout)[-300:]}")
    return [node, str(folder / "read.mjs")]


def test_the_javascript_reader_finds_the_same(javascript: list[str]) -> None:
    holds(lines_of([*javascript, *(str(V1 / name) for name in FILES)]), FILES)


def test_the_javascript_reader_refuses_what_is_damaged_or_too_new(
    javascript: list[str], tmp_path: Path
) -> None:
    for reason, path in damaged(tmp_path).items():
        assert reason in refused([*javascript, str(path)])
    for name in TOO_NEW:
        assert "Error" in refused([*javascript, str(V1 / name)])
