"""Small traps: names that lure, settings of the process, pipes, depth, characters nobody sees."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

import layerkit
from layerkit import LayerkitError, PluginMissingError, SelfTestError, SpecError
from layerkit.discovery import engines
from layerkit.reporting.markup import escape
from layerkit.specs.json_source import strict_json
from tests.e2e.conftest import PETS, Cli
from tests.fuzz.container import assemble, take_apart


def foreign(path: Path) -> bytes:
    """The model at ``path`` with a layer type that claims a distribution nobody has."""
    header, payloads = take_apart(path.read_bytes()).copy()
    header["spec"]["model"]["layers"][0]["type"] = "acme.lure"
    claim = {"config_version": 1, "dist": "acme-lure", "version": "6.6.6"}
    header["types"]["acme.lure"] = {**claim, "entry_point": "acme.lure"}
    return assemble(header, payloads)


def test_what_a_file_wants_installed_is_told_as_its_claim(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = foreign(pets)
    with pytest.raises(PluginMissingError) as caught:
        layerkit.load(io.BytesIO(raw))
    before, _, command = (caught.value.hint or "").partition("python -m pip install")
    assert "acme-lure==6.6.6" in command
    assert "the file claims" in before
    assert "trust" in before
    for allow in (False, {"layerkit"}, set()):
        with pytest.raises(PluginMissingError) as caught:
            layerkit.load(io.BytesIO(raw), allow_plugins=allow)
        assert "pip install" not in str(caught.value)
    monkeypatch.setenv("LAYERKIT_PLUGINS", "acme-parts")
    with pytest.raises(PluginMissingError) as caught:
        layerkit.load(io.BytesIO(raw))
    assert "pip install" not in str(caught.value)


@pytest.mark.parametrize("variable", ["LAYERKIT_FAST", "LAYERKIT_EAGER"])
@pytest.mark.parametrize("word", ["2", "x", "9" * 5000])
def test_a_mistyped_setting_of_the_process_is_no_broken_model(
    pets: Path, monkeypatch: pytest.MonkeyPatch, variable: str, word: str
) -> None:
    row = {"weight": [4.0], "height": [25.0]}
    wanted = layerkit.load(pets).predict(row)
    monkeypatch.setenv(variable, word)
    model = layerkit.load(pets)  # runs the layers as they are written, whatever the setting
    for _ in range(2):
        with pytest.raises(LayerkitError, match=f"{variable}: expected 0") as caught:
            model.predict(row)
        assert not isinstance(caught.value, SelfTestError)
        assert len(str(caught.value)) < 300
    monkeypatch.delenv(variable)
    assert np.allclose(model.predict(row), wanted, rtol=1e-5)


def test_a_mistyped_number_of_threads_is_no_broken_model(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_THREADS", "x")
    with pytest.raises(LayerkitError, match="LAYERKIT_THREADS: expected an integer") as caught:
        layerkit.load(pets)
    assert not isinstance(caught.value, SelfTestError)


@pytest.mark.parametrize("word", ["9" * 5000, "0", "-1", "١", "1.0", "", " 2"])
def test_a_number_of_threads_that_is_none_is_told(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv("LAYERKIT_THREADS", word)
    done = cli("train", "pets.json", "--data", "pets.csv", "--epochs", "1")
    assert done.code == 1
    assert "error LK-000: LAYERKIT_THREADS: expected an integer from 1 to " in done.err
    assert len(done.err) < 400


def test_a_model_from_standard_input_needs_a_name_to_be_deployed(cli: Cli, pets: Path) -> None:
    raw = pets.read_bytes()
    done = cli("deploy", "-", stdin=raw)
    assert done.code == 2
    assert "-o FILE" in done.err
    assert not Path("--deploy.layerkit").exists()
    done = cli("deploy", "-", "-o", "small.layerkit", "--json", stdin=raw)
    assert done.code == 0
    assert done.json["before"] == len(raw)
    assert cli("upgrade", "-", stdin=raw).code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("build", "pipe"),
        ("build", "pipe.json"),
        ("train", "pets.json", "--data", "pipe.csv"),
        ("infer", "pets.layerkit", "pipe.csv"),
        ("compare", "pets.layerkit", "pipe", "--data", "pets.csv"),
        ("eval", "pets.layerkit", "--data", "/dev/zero"),
    ],
)
def test_nobody_waits_for_a_pipe_that_nobody_writes(
    cli: Cli, pets: Path, words: tuple[str, ...]
) -> None:
    for word in words:
        if word.startswith("pipe"):
            os.mkfifo(word)
    done = cli(*words)
    assert done.code == 1
    assert "pipe or device" in done.err


def test_a_descriptor_that_was_given_may_be_a_pipe(cli: Cli) -> None:
    read, write = os.pipe()
    sent = json.dumps(PETS).encode()
    os.write(write, sent)  # less than a pipe holds
    os.close(write)
    done = cli("build", f"/dev/fd/{read}", "--dry-run")
    os.close(read)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("depth", [99, 900, 20_000])
def test_depth_is_answered_with_and_without_overrides(cli: Cli, depth: int) -> None:
    Path("deep.json").write_text('{"layerkit": 1, "x": ' + "[" * depth + "]" * depth + "}")
    for more in ((), ("--set", "name=x")):
        done = cli("build", "deep.json", *more)
        assert done.code == 1
        assert done.err.startswith("error LK-201")
    nested = "[" * depth + "]" * depth
    assert cli("build", "pets.json", "--set", f"name={nested}").code == 1


def test_two_keys_that_are_one_in_json_are_told() -> None:
    for twice in ({1: 2.0, "1": 3.0}, {True: 2.0, "true": 3.0}, {None: 2.0, "null": 3.0}):
        with pytest.raises(SpecError, match="given twice"):
            strict_json({"class_weights": twice})
    kept = {1: 2.0, np.int64(3): 1, 2.5: 0, "a": 4}
    assert strict_json(kept) == {"1": 2.0, "3": 1, "2.5": 0, "a": 4}
    with pytest.raises(SpecError, match="expected a string as the name of a field"):
        strict_json({(1, 2): 3})


def test_nothing_in_a_report_is_invisible(cli: Cli) -> None:
    odd = "we\u202eight\x1b[31m\u200b"
    spec = {**PETS, "input": {"columns": [odd, "height"], "scale": "standardize"}}
    Path("odd.json").write_text(json.dumps(spec))
    head, *rows = Path("pets.csv").read_text().splitlines()
    Path("odd.csv").write_text("\n".join([head.replace("weight", odd), *rows]) + "\n")
    done = cli(
        "compare",
        "odd.json",
        "odd.json",
        "--data",
        "odd.csv",
        "--html",
        "r.html",
        "--seeds",
        "1",
        "--no-timing",
    )
    assert done.code == 0, done.err
    page = Path("r.html").read_text("utf-8")
    assert "\\u202e" in page
    assert not [c for c in page if not c.isprintable() and c != "\n"]


def test_escape_keeps_lines_and_spells_out_the_rest() -> None:
    assert escape("a<b>\n\u202e\x07é") == "a&lt;b&gt;\n\\u202e\\x07é"


@pytest.mark.parametrize("command", ["build", "train"])
@pytest.mark.skipif(os.name != "posix", reason="POSIX pipes")
def test_a_model_is_never_aimed_at_a_stream_nor_a_device(
    cli: Cli, folder: Path, command: str
) -> None:
    (folder / "pets.json").write_text(json.dumps({**PETS, "train": {"data": "no.csv"}}))
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/dev/null")
    refused = cli(command, "pets.json", "-o", "-")
    assert (refused.code, "cannot be written to standard output" in refused.err) == (2, True)
    assert not (folder / "-").exists()
    for name in ("pipe", "link"):
        refused = cli(command, "pets.json", "-o", name)
        assert (refused.code, "cannot replace a pipe or device" in refused.err) == (1, True)


@pytest.mark.filterwarnings("default")  # as in a process of its own
def test_a_compiler_that_is_not_there_is_told_in_one_line(
    cli: Cli, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_FAST", "1")
    monkeypatch.setattr(engines, "trouble", lambda: "llvmlite is not installed")
    engines._warn_once.cache_clear()
    told = [cli("eval", "pets.layerkit", "--data", "pets.csv").err for _ in range(2)]
    engines._warn_once.cache_clear()
    assert [line for line in told[0].splitlines() if "LAYERKIT_FAST" in line] == [
        "warning: LAYERKIT_FAST=1, but llvmlite is not installed; NumPy is used instead "
        "(pip install 'layerkit[fast]' adds compiled kernels)"
    ]
    assert "LAYERKIT_FAST" not in told[1]  # once a process


def test_a_model_whose_layers_run_as_written_is_not_called_accelerated(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("llvmlite")
    assert layerkit.load(pets).accelerate().accelerated
    monkeypatch.setenv("LAYERKIT_EAGER", "1")
    model = layerkit.load(pets)
    row = {"weight": [4.0, 30.0], "height": [25.0, 60.0]}
    before = model.predict(row)
    assert not model.accelerate().accelerated
    assert np.array_equal(model.predict(row), before)
