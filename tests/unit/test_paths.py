"""Paths: every way in which one can be wrong is an error of layerkit, with a way out."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import LayerkitError, PathError

SPEC = {"layerkit": 1, "input": {"shape": [2]}, "layers": [{"type": "dense", "units": 2}]}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> layerkit.Model:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return layerkit.build(SPEC)


READERS: list[Callable[[Any], object]] = [
    layerkit.load,
    layerkit.inspect,
    layerkit.load_tensors,
    layerkit.build,
    layerkit.read_rows,
    lambda path: layerkit.train({**SPEC, "train": {}}, data=path),
    lambda path: layerkit.compare([path]),
    lambda path: layerkit.resume(path),
    lambda path: layerkit.upgrade(path),
    lambda path: layerkit.diff(path, path),
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("path", ["none.layerkit", "none/x.layerkit", "file/x", "~/none", "~no/x"])
def test_what_is_not_there_is_an_error_with_a_code(
    model: layerkit.Model, read: Callable[[Any], object], path: str
) -> None:
    Path("file").write_text("text")
    for given in (path, Path(path)):
        with pytest.raises(LayerkitError) as caught:
            read(given)
        assert isinstance(caught.value, OSError)
        assert caught.value.code in ("LK-204", "LK-305")
        assert Path(path).name in str(caught.value)


@pytest.mark.parametrize("read", [r for r in READERS if r is not READERS[5]])
def test_a_folder_where_a_file_is_wanted(
    model: layerkit.Model, read: Callable[[Any], object]
) -> None:
    layerkit.save(model, "m.layerkit")
    with pytest.raises(LayerkitError) as caught:
        read(".")
    assert "m.layerkit" in str(caught.value) or "name a file in it" in str(caught.value)


def test_places_that_cannot_be_written(model: layerkit.Model) -> None:
    Path("folder").mkdir()
    Path("file").write_text("text")
    wanted = {
        "none/m.layerkit": (FileNotFoundError, "create it first: mkdir -p none"),
        "folder": (IsADirectoryError, f"such as {Path('folder/model.layerkit')}"),
        "file/m.layerkit": (NotADirectoryError, "its folder is a file"),
        "n" * 300: (OSError, "cannot be written"),
    }
    for path, (kind, told) in wanted.items():
        with pytest.raises(PathError, match=told) as caught:
            layerkit.save(model, path)
        assert isinstance(caught.value, kind)
        assert caught.value.filename == caught.value.path
        assert caught.value.errno
    with pytest.raises(PathError, match="file exists already") as caught:
        layerkit.save(model, "file", overwrite=False)
    assert isinstance(caught.value, FileExistsError)
    assert caught.value.errno == errno.EEXIST


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(model: layerkit.Model) -> None:
    Path("closed").mkdir(mode=0o500)
    with pytest.raises(PathError, match="cannot be written: Permission denied") as caught:
        layerkit.save(model, "closed/m.layerkit")
    assert isinstance(caught.value, PermissionError)


def test_the_home_folder(model: layerkit.Model, tmp_path: Path) -> None:
    layerkit.save(model, "~/m.layerkit")
    assert model.path == str(tmp_path / "m.layerkit")
    assert layerkit.load("~/m.layerkit").path == str(tmp_path / "m.layerkit")
    assert layerkit.load(Path("~/m.layerkit")).file_id == model.file_id
    assert layerkit.inspect("~/m.layerkit").file_id == model.file_id
    Path("x.csv").write_text("1,2\n3,4\n")
    assert len(layerkit.read_rows("~/x.csv", has_header=False)) == 2
    layerkit.save(model, "~nobody-of-that-name.layerkit")  # no such user: a name like any other
    assert Path("~nobody-of-that-name.layerkit").exists()


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_the_contents_themselves(model: layerkit.Model, make: Callable[[bytes], Any]) -> None:
    layerkit.save(model, "m.layerkit")
    raw = Path("m.layerkit").read_bytes()
    loaded = layerkit.load(make(raw))
    assert (loaded.file_id, loaded.path) == (model.file_id, None)
    np.testing.assert_array_equal(loaded.predict([[1.0, 2.0]]), model.predict([[1.0, 2.0]]))
    assert layerkit.inspect(make(raw)).file_id == model.file_id
    assert layerkit.load_tensors(make(raw)).keys() == layerkit.load_tensors("m.layerkit").keys()
    for other in (b"", b"m.layerkit", raw[:-1], raw + b"x"):
        with pytest.raises(layerkit.ModelFileError):
            layerkit.load(make(other))


def test_a_checkpoint_of_a_missing_model_is_named(model: layerkit.Model) -> None:
    layerkit.save(model, "net-checkpoint.layerkit")
    with pytest.raises(PathError, match=r"layerkit resume net-checkpoint\.layerkit"):
        layerkit.load("net.layerkit")


def test_the_nearest_name_is_told(model: layerkit.Model) -> None:
    layerkit.save(model, "digits.layerkit")
    with pytest.raises(PathError, match=r"did you mean 'digits\.layerkit'\?"):
        layerkit.load("digit.layerkit")
