"""No command writes over what it reads, over other kinds of files, or over a device."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import layerkit

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli, Unchanged


@pytest.mark.parametrize(
    "words",
    [
        ("infer", "pets.layerkit", "pets.csv", "-o", "pets.csv"),
        ("infer", "pets.layerkit", "pets.csv", "-o", "pets.layerkit"),
        ("compare", "pets.json", "--data", "pets.csv", "--csv", "pets.csv"),
        ("compare", "pets.json", "--data", "pets.csv", "--html", "./pets.json"),
    ],
)
def test_an_input_is_not_an_output(
    cli: Cli, pets: Path, unchanged: Unchanged, words: tuple[str, ...]
) -> None:
    with unchanged():
        done = cli(*words)
    assert done.code == 2
    assert "is read by this command" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("build", "pets.json", "-o", "pets.json"),
        ("train", "pets.json", "--data", "pets.csv", "-o", "pets.csv"),
        ("deploy", "pets.layerkit", "-o", "pets.json"),
        ("upgrade", "pets.layerkit", "-o", "pets.csv"),
    ],
)
def test_a_model_replaces_no_other_kind_of_file(
    cli: Cli, pets: Path, unchanged: Unchanged, words: tuple[str, ...]
) -> None:
    with unchanged():
        done = cli(*words)
    assert done.code == 1
    assert "is not a model file" in done.err


def test_answers_go_through_a_link_to_a_pipe(cli: Cli, pets: Path) -> None:
    read, write = os.pipe()
    Path("out").symlink_to(f"/proc/self/fd/{write}")
    done = cli("infer", "pets.layerkit", "pets.csv", "-o", "out")
    os.close(write)
    with os.fdopen(read) as stream:
        told = stream.read()
    assert done.code == 0
    assert told.startswith("class,p_cat,p_dog\n")
    assert Path("out").is_symlink()


def test_answers_follow_a_link_to_a_file(cli: Cli, pets: Path) -> None:
    Path("real.csv").write_text("old")
    Path("link.csv").symlink_to("real.csv")
    assert cli("infer", "pets.layerkit", "pets.csv", "-o", "link.csv").code == 0
    assert Path("link.csv").is_symlink()
    assert Path("real.csv").read_text().startswith("class,")


def test_answers_may_go_nowhere(cli: Cli, pets: Path) -> None:
    assert cli("infer", "pets.layerkit", "pets.csv", "-o", "/dev/null").code == 0
    assert not Path("/dev/null").is_file()


def test_a_model_does_not_replace_a_link_to_a_device(cli: Cli, pets: Path) -> None:
    Path("null.layerkit").symlink_to("/dev/null")
    with pytest.raises(OSError, match="only a regular file can be replaced"):
        layerkit.save(layerkit.load(pets), "null.layerkit")
    assert Path("null.layerkit").is_symlink()


def test_a_missing_folder_is_named_and_not_a_temporary_file(cli: Cli, pets: Path) -> None:
    done = cli("infer", "pets.layerkit", "pets.csv", "-o", "nowhere/out.csv")
    assert done.code == 1
    assert "there is no folder nowhere, so nowhere/out.csv cannot be written" in done.err
    with pytest.raises(FileNotFoundError) as caught:
        layerkit.save(layerkit.load(pets), "nowhere/m.layerkit")
    assert caught.value.filename == "nowhere/m.layerkit"


def test_no_rows_give_no_answers(cli: Cli, pets: Path) -> None:
    np.save("none.npy", np.ones((0, 2)))
    done = cli("infer", "pets.layerkit", "none.npy")
    assert (done.code, done.out) == (0, "class,p_cat,p_dog\n")


def test_every_field_of_a_spec_is_explained(cli: Cli) -> None:
    from layerkit.specs.sections import SECTIONS

    paths = [f"{s}.{f}".lstrip(".") for s, m in SECTIONS.items() for f in m.model_fields]
    assert "output" in paths
    for path in paths:
        done = cli("explain", path)
        assert (path, done.code, done.err) == (path, 0, "")


@pytest.mark.parametrize(
    "words",
    [
        ("infer", "pets.layerkit", "pets.csv", "-o", "other.layerkit"),
        ("infer", "pets.layerkit", "pets.csv", "-o", "other.json"),
        ("compare", "pets.layerkit", "--data", "pets.csv", "--html", "other.layerkit"),
        ("compare", "pets.layerkit", "--data", "pets.csv", "--csv", "other.json"),
    ],
)
def test_no_table_replaces_a_model_or_a_spec(
    cli: Cli, pets: Path, unchanged: Unchanged, words: tuple[str, ...]
) -> None:
    Path("other.layerkit").write_bytes(pets.read_bytes())
    Path("other.json").write_bytes(Path("pets.json").read_bytes())
    with unchanged():
        done = cli(*words)
    assert done.code == 1
    assert "this output would replace a" in done.err


@pytest.mark.parametrize("epochs", [1, 3])
def test_resume_with_nothing_left_changes_nothing(
    cli: Cli, pets: Path, unchanged: Unchanged, epochs: int
) -> None:
    with unchanged():
        done = cli("resume", "pets.layerkit", "--data", "pets.csv", "--epochs", epochs)
    assert done.code == 1
    assert "3 epochs done" in done.err
