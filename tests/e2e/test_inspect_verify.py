"""``layerkit inspect`` and ``layerkit verify``: good files, damaged files, hostile files."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import layerkit
from layerkit.codec import write
from tests.e2e.conftest import PETS

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

HOSTILE = "pet\x1b]0;owned\x07\x1b[2J\u202etxt\n[bold red]name[/]\x9b31m"
HARMLESS = r"pet\x1b]0;owned\x07\x1b[2J\u202etxt\n[bold red]name[/]\x9b31m"


def hostile_file(path: str) -> None:
    """A file whose every free text tries to drive the terminal; no layer is real."""
    write(
        path,
        spec={
            "schema": 1,
            "model": {
                "name": HOSTILE,
                "layers": [{"type": "acme.evil", "name": "x", "config": {}}],
            },
            "data": {
                "input": {"dtype": "f32", "shape": [1]},
                "output": {"classes": [HOSTILE, "dog"], "dtype": "f32", "shape": [2]},
            },
        },
        types={"acme.evil": {"config_version": 1, "dist": "acme", "version": "1.0"}},
        tensors={},
        metadata={HOSTILE: HOSTILE},
        metrics={"test_loss": 0.25},
    )


def inside(path: Path) -> int:
    """Where the bytes of a tensor begin."""
    return path.read_bytes().index(layerkit.load_tensors(path)["highway_1.WH"].tobytes())


def damaged(path: Path, name: str, *, flip: int | None = None, cut: int | None = None) -> str:
    raw = bytearray(path.read_bytes())
    if flip is not None:
        raw[flip] ^= 1
    Path(name).write_bytes(raw[:cut])
    return name


def test_inspect_shows_what_the_file_says(cli: Cli, pets: Path) -> None:
    seen = layerkit.inspect(pets)
    done = cli("inspect", "pets.layerkit")
    assert (done.code, done.err) == (0, "")
    lines = done.out.split("\n")
    assert lines[0] == "name        pets"
    assert f"id          {seen.file_id}" in lines
    assert f"size        {pets.stat().st_size / 1000:.1f} kB, format 1.0" in lines
    assert "parameters  62" in lines
    assert "input       2, columns weight, height" in lines
    assert "output      2, classes cat, dog" in lines
    provider = f"layerkit {layerkit.__version__}"
    assert f"highway_1  highway  {provider}          40" in lines
    accuracy = f"{100 * seen.header['metrics']['test_accuracy']:.2f} %"
    assert any(line.split() == ["test_accuracy", *accuracy.split()] for line in lines)


def test_inspect_lists_tensors(cli: Cli, pets: Path) -> None:
    lines = cli("inspect", "pets.layerkit", "--tensors").out.split("\n")
    digest = layerkit.inspect(pets).tensors["highway_1.WH"].sha256.hex()
    (line,) = [line for line in lines if line.startswith("highway_1.WH ")]
    assert line.split() == ["highway_1.WH", "param", "f32", "4", "x", "4", "64", "B", digest[:16]]


def test_inspect_json_is_all_of_it(cli: Cli, pets: Path) -> None:
    told = cli("inspect", "pets.layerkit", "--json").json
    assert told["file_id"] == layerkit.inspect(pets).file_id
    assert told["parameters"] == 62
    assert told["types"]["highway"]["dist"] == "layerkit"
    assert {t["name"] for t in told["tensors"]} >= {"highway_1.WH", "history/loss"}


def test_inspect_reads_standard_input(cli: Cli, pets: Path) -> None:
    done = cli("inspect", "-", stdin=pets.read_bytes())
    assert "file        standard input" in done.out


def test_nothing_in_a_file_can_drive_the_terminal(cli: Cli, folder: Path) -> None:
    hostile_file("evil.layerkit")
    done = cli("inspect", "evil.layerkit")
    assert done.code == 0
    assert f"name        {HARMLESS}\n" in done.out
    assert f"{HARMLESS} {HARMLESS[:20]}" in done.out  # the metadata
    assert all(c.isprintable() or c == "\n" for c in done.out)
    as_json = cli("inspect", "evil.layerkit", "--json")
    assert as_json.out.isascii()
    assert "\x1b" not in as_json.out
    assert as_json.json["spec"]["model"]["name"] == HOSTILE


def test_a_plugin_that_is_not_installed_is_told_and_the_file_still_inspected(
    cli: Cli, folder: Path
) -> None:
    hostile_file("evil.layerkit")
    assert "x      acme.evil  acme 1.0" in cli("inspect", "evil.layerkit").out
    assert cli("verify", "evil.layerkit").code == 0
    done = cli("verify", "evil.layerkit", "--selftest")
    assert done.code == 1
    assert done.err.startswith("error LK-102: evil.layerkit: ")
    assert "acme" in done.err


def test_verify_says_the_id_of_each_good_file(cli: Cli, pets: Path) -> None:
    cli("build", "pets.json", "-o", "other.layerkit")
    done = cli("verify", "pets.layerkit", "other.layerkit", "--selftest")
    assert (done.code, done.err) == (0, "")
    ids = [layerkit.inspect(name).file_id for name in ("pets.layerkit", "other.layerkit")]
    assert done.out == f"ok  {ids[0]}  pets.layerkit\nok  {ids[1]}  other.layerkit\n"


def test_verify_reports_every_bad_file_and_the_good_ones(cli: Cli, pets: Path) -> None:
    start = layerkit.inspect(pets)
    flipped = damaged(pets, "flipped.layerkit", flip=inside(pets))
    cut = damaged(pets, "cut.layerkit", cut=500)
    head = damaged(pets, "head.layerkit", flip=100)
    tiny = damaged(pets, "tiny.layerkit", cut=5)
    Path("text.layerkit").write_text("<html>not found</html>")
    done = cli(
        "verify", flipped, cut, head, tiny, "text.layerkit", "none.layerkit", "pets.layerkit"
    )
    assert done.code == 1
    assert done.out == f"ok  {start.file_id}  pets.layerkit\n"
    firsts = [line for line in done.err.split("\n") if line.startswith("error")]
    starts = [
        "error LK-301: flipped.layerkit: tensor 'highway_1.WH' is corrupt: ",
        "error LK-301: cut.layerkit: the file is cut off: expected ",
        "error LK-301: head.layerkit: ",
        "error LK-301: tiny.layerkit: not a layerkit file: ",
        "error LK-301: text.layerkit: not a layerkit file: ",
        "error LK-305: there is no file none.layerkit",
    ]
    assert len(firsts) == len(starts)
    for line, wanted in zip(firsts, starts, strict=True):
        assert line.startswith(wanted)
    assert firsts[1].endswith(" bytes, got 500")
    assert "  it looks like an HTML or XML page" in done.err


def test_verify_json_lists_all_files(cli: Cli, pets: Path) -> None:
    flipped = damaged(pets, "flipped.layerkit", flip=inside(pets))
    done = cli("verify", "--json", flipped, "pets.layerkit")
    assert (done.code, done.err) == (1, "")
    bad, good = done.json["files"]
    assert (bad["ok"], bad["error"]["class"]) == (False, "CorruptFileError")
    assert bad["error"]["tensor"]
    assert good == {"path": "pets.layerkit", "ok": True, "file_id": layerkit.inspect(pets).file_id}


def test_the_selftest_finds_a_layer_that_computes_something_else(
    cli: Cli, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layerkit.discovery.registry import LAYERS

    dense = LAYERS["dense"]
    feed = dense.feed
    monkeypatch.setattr(dense, "feed", lambda layer, x, ctx: feed(layer, x, ctx) + 0.5)
    assert cli("verify", "pets.layerkit").code == 0
    done = cli("verify", "pets.layerkit", "--selftest")
    assert done.code == 1
    assert done.err.startswith("error LK-303: pets.layerkit: the model's outputs are not those")


@pytest.mark.parametrize(
    "words",
    [
        ("infer", "bad.layerkit", "pets.csv"),
        ("eval", "bad.layerkit", "--data", "pets.csv"),
        ("train", "bad.layerkit", "--data", "pets.csv"),
        ("inspect", "bad.layerkit"),
        ("compare", "bad.layerkit", "pets.layerkit", "--data", "pets.csv"),
    ],
)
def test_every_command_refuses_a_file_that_is_cut_off(
    cli: Cli, pets: Path, words: tuple[str, ...]
) -> None:
    damaged(pets, "bad.layerkit", cut=-1)
    done = cli(*words)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error LK-301: bad.layerkit: the file is cut off")
    assert done.err.endswith("  layerkit explain LK-301\n")


def test_columns_of_categories_are_shown_within_80_columns(cli: Cli, folder: Path) -> None:
    towns = [f"town of number {i}" for i in range(40)]
    listed = {"name": "town\x1b[31m" + "x" * 90, "categories": "learn", "missing": "category"}
    text = {**copy.deepcopy(PETS), "train": {"epochs": 1}}
    text["input"] = {"columns": ["weight", listed], "scale": "standardize", "missing": "mean"}
    for name, number in (("a", 40), ("b", 39)):
        data = {
            "weight": np.arange(80.0),
            listed["name"]: np.array(towns[:number] * 3)[:80],
            "kind": np.array(["cat", "dog"] * 40),
        }
        layerkit.save(layerkit.train(text, data=data).model, f"{name}.layerkit")
    seen = cli("inspect", "a.layerkit")
    assert (seen.code, seen.err) == (0, "")
    table = seen.out.partition("column ")[2].partition("\nlayer ")[0]
    assert re.search(r"^weight +numbers +missing: ", table, re.M)
    assert re.search(r"^town.{23}\.\.\.  40, missing +town of number 0, ", table, re.M)
    assert max(map(len, table.splitlines())) <= 80
    told = cli("diff", "a.layerkit", "b.layerkit").out
    (line,) = (x for x in told.splitlines() if x.startswith("spec.data.table.fields."))
    assert re.search(r"\.categories +40: town of number 39 +39: -$", line)


def test_tied_numbers_are_shown_and_counted_once(cli: Cli) -> None:
    layers = [
        {"type": "dense", "name": "encoder", "units": 3},
        {"type": "dense", "name": "middle", "units": 3},
        {"type": "sequence", "name": "end", "layers": [
            {"type": "dense", "name": "decoder", "units": 10, "tie": {"W": "encoder.W.T"}},
        ]},
        {"type": "dense", "name": "last", "units": 3, "tie": {"W": "encoder.W"}},
    ]  # fmt: skip
    model = layerkit.build({"layerkit": 1, "name": "n", "input": {"shape": [10]}, "layers": layers})
    layerkit.save(model, "tied.layerkit")
    seen = layerkit.inspect("tied.layerkit")
    assert seen.parameters == 33 + 12 + 10 + 3
    assert seen.ties == {"end.decoder.W": "encoder.W.T", "last.W": "encoder.W"}
    out = cli("inspect", "tied.layerkit").out
    assert "parameters  58" in out
    assert "end.decoder.W is encoder.W.T" in out
    assert "last.W is encoder.W\n" in out
