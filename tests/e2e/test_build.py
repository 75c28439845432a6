"""``layerkit build``: what it shows, what it writes, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import layerkit
from layerkit import Array, Context
from layerkit.discovery.registry import REGISTRIES
from layerkit_plugins.layers.highway import Highway

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli, Unchanged


def test_it_shows_layers_and_writes_a_model_that_loads(cli: Cli, folder: Path) -> None:
    done = cli("build", "pets.json")
    assert (done.code, done.err) == (0, "")
    lines = done.out.split("\n")
    assert lines[0] == "pets: input 2, float32"
    assert lines[2].split() == [
        "layer", "type", "provider", "output", "parameters", "MACs", "memory",
    ]  # fmt: skip
    provider = f"layerkit {layerkit.__version__}"
    assert lines[5] == f"highway_1  highway  {provider}  4               40    32   160 B"
    assert lines[8].split() == ["total", "62", "48", "248", "B"]
    model = layerkit.load("pets.layerkit")
    assert model.file_id is not None
    assert lines[-2].startswith("saved pets.layerkit (")
    assert lines[-2].endswith(f"{model.file_id[:19]}...), not trained yet")


def test_json_holds_the_same_numbers(cli: Cli, folder: Path) -> None:
    told = cli("build", "pets.json", "-o", "x.layerkit", "--json").json
    assert told["file"] == "x.layerkit"
    assert told["file_id"] == layerkit.inspect("x.layerkit").file_id
    assert (told["parameters"], told["macs"], told["bytes"]) == (62, 48, 248)
    assert told["layers"][1] == {
        "name": "highway_1",
        "type": "highway",
        "provider": {"distribution": "layerkit", "version": layerkit.__version__},
        "in_shape": [4],
        "out_shape": [4],
        "parameters": 40,
        "macs": 32,
        "bytes": 160,
    }


def test_multiply_adds_that_are_not_known_are_shown_as_such(cli: Cli, folder: Path) -> None:
    class Steered(Highway):
        """As highway, steered by the numbers of x. Source: own work."""

        type_name = "test.steered"

        def feed(self, x: Array, ctx: Context) -> Array:
            return super().feed(x if x.sum() > 0 else 1 * x, ctx)

    REGISTRIES["layers"].register(Steered)
    try:
        spec = json.loads(Path("pets.json").read_text("utf-8"))
        spec["layers"][1]["type"] = "test.steered"
        Path("steered.json").write_text(json.dumps(spec), "utf-8")
        told = cli("build", "steered.json", "--dry-run", "--json").json
        lines = cli("build", "steered.json", "--dry-run").out.split("\n")
    finally:
        REGISTRIES["layers"].unregister("test.steered")
    assert [layer["macs"] for layer in told["layers"]] == [8, None, 8]
    assert told["macs"] is None
    assert lines[5].split()[-4:] == ["40", "?", "160", "B"]
    assert lines[8].split() == ["total", "62", "?", "248", "B"]


def test_dry_run_writes_nothing(cli: Cli, unchanged: Unchanged) -> None:
    with unchanged():
        done = cli("build", "pets.json", "--dry-run")
    assert done.code == 0
    assert "saved" not in done.out


def test_set_overrides_and_repeats(cli: Cli) -> None:
    done = cli(
        "build", "pets.json", "--dry-run", "--json",
        "--set", "layers.1.repeat=3", "--set", "name=deep", "--set", "dtype=float64",
    )  # fmt: skip
    told = done.json
    assert (told["name"], told["dtype"], told["parameters"]) == ("deep", "float64", 62 + 80)
    assert told["bytes"] == 8 * told["parameters"]


def test_a_spec_comes_from_standard_input(cli: Cli, folder: Path) -> None:
    text = Path("pets.json").read_bytes()
    assert cli("build", "-", stdin=text).code == 0
    assert layerkit.load("pets.layerkit").name == "pets"
    broken = cli("build", "-", stdin=text.replace(b'"highway"', b'"highwy"'))
    assert broken.code == 1
    assert "standard input: layers[1].type (line " in broken.err


def test_a_folder_takes_the_file_under_the_models_name(cli: Cli, folder: Path) -> None:
    (folder / "runs").mkdir()
    assert cli("build", "pets.json", "-o", "runs").code == 0
    assert (folder / "runs" / "pets.layerkit").is_file()


def test_a_trained_model_is_not_lost_by_default(cli: Cli, pets: Path, unchanged: Unchanged) -> None:
    with unchanged():
        done = cli("build", "pets.json")
    assert done.code == 1
    first, hint, _ = done.err.split("\n", 2)
    assert first == "error LK-305: pets.layerkit holds a trained model"
    assert hint == "  save elsewhere with -o FILE, or replace it by naming it with -o"
    named = cli("build", "pets.json", "-o", "pets.layerkit")
    assert named.code == 0
    assert "replacing the file that was there" in named.out


def test_an_untrained_model_is_replaced_and_another_kind_of_file_is_kept(
    cli: Cli, folder: Path
) -> None:
    assert cli("build", "pets.json").code == 0
    assert cli("build", "pets.json").code == 0
    Path("pets.layerkit").write_text("no model")
    done = cli("build", "pets.json")
    assert done.code == 1
    assert "pets.layerkit: already exists and is not a model file" in done.err
    assert Path("pets.layerkit").read_text() == "no model"


@pytest.mark.parametrize(
    ("setting", "code", "wanted"),
    [
        (
            "layers.1.type=highwy",
            "LK-101",
            "--set layers.1.type=highwy: unknown layer type 'highwy'; did you mean 'highway' or "
            "'highway_rnn'?",
        ),
        (
            "layers.0.units=four",
            "LK-201",
            "--set layers.0.units=four: expected an integer >= 1, got 'four' (a string)",
        ),
        (
            "layers.0.units=-3",
            "LK-201",
            "--set layers.0.units=-3: expected an integer >= 1, got -3",
        ),
        (
            "layers.0.unit=4",
            "LK-201",
            "--set layers.0.unit=4: unknown field 'unit'; did you mean 'units'?",
        ),
        (
            "trayn.epochs=4",
            "LK-201",
            "--set trayn.epochs=4: trayn: unknown field 'trayn'; did you mean 'train'?",
        ),
        (
            "layers.0.units=1000000000000",
            "LK-201",
            "of it in 'dense_1'; this machine has ",
        ),
        (
            "layers.1.units=5",
            "LK-202",
            "layer 'highway_1' does not fit after 'dense_1' (output shape [4]): expected units 4, ",
        ),
        (
            "layers.2.units=3",
            "LK-202",
            "expected 2 outputs, one per class, got 3 from 'dense_2': set its units to 2",
        ),
        ("epochs", "LK-201", "--set epochs: expected PATH=VALUE, as in layers.1.gate_bias=-3"),
        (
            "layers.7.units=1",
            "LK-201",
            "--set layers.7.units=1: layers is a list of 3 items: expected an index from 0 to 2",
        ),
    ],
)
def test_one_mistake_gives_one_message_and_no_file(
    cli: Cli, unchanged: Unchanged, setting: str, code: str, wanted: str
) -> None:
    with unchanged():
        done = cli("build", "pets.json", "--set", setting)
        told = cli("build", "pets.json", "--set", setting, "--json")
    assert (done.code, done.out, told.code, told.out) == (1, "", 1, "")
    first, *rest = done.err.rstrip("\n").split("\n")
    assert first.startswith(f"error {code}: ")
    assert wanted in first
    assert rest[-1] == f"  layerkit explain {code}"
    assert told.error["code"] == code
    assert wanted in told.error["message"]


def test_several_mistakes_come_together(cli: Cli) -> None:
    done = cli("build", "pets.json", "--set", "layers.0.units=0", "--set", "layers.1.gate=1")
    assert done.code == 1
    first, *rest = done.err.split("\n")
    assert first == "error LK-201: 2 mistakes"
    assert [line.split(": ")[0] for line in rest[:2]] == [
        "  --set layers.0.units=0",
        "  --set layers.1.gate=1",
    ]


def test_broken_json_is_told_with_its_line(cli: Cli) -> None:
    Path("bad.json").write_text('{\n "layerkit": 1,\n "name": ]\n}')
    done = cli("build", "bad.json")
    assert done.code == 1
    assert "not valid JSON" in done.err
    assert "line 3, column 10" in done.err


def test_a_missing_spec_gets_the_nearest_name(cli: Cli, unchanged: Unchanged) -> None:
    with unchanged():
        done = cli("build", "pet.json")
    assert (done.code, done.out) == (1, "")
    told = "error LK-305: there is no file pet.json; did you mean 'pets.json'?\n"
    assert done.err == f"{told}  layerkit explain LK-305\n"


def test_a_model_is_no_spec(cli: Cli, pets: Path) -> None:
    done = cli("build", "pets.layerkit")
    assert done.code == 2
    assert "pets.layerkit is already a model; layerkit inspect shows it" in done.err


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("none/x.layerkit", "there is no folder none, so none/x.layerkit cannot be written"),
        ("pets.json/x.layerkit", "pets.json is a file, so pets.json/x.layerkit cannot be written"),
    ],
)
def test_a_target_that_cannot_be_written(
    cli: Cli, unchanged: Unchanged, target: str, wanted: str
) -> None:
    with unchanged():
        done = cli("build", "pets.json", "-o", target)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error LK-305: {wanted}\n")


def test_a_spec_from_inspect_builds_the_same_model(
    cli: Cli, pets: Path, spec: Callable[..., Path]
) -> None:
    Path("again.json").write_text(cli("inspect", "pets.layerkit", "--spec").out)
    first = cli("build", "pets.json", "--dry-run", "--json").json
    again = cli("build", "again.json", "--dry-run", "--json").json
    assert again == first
    assert json.loads(Path("again.json").read_text())["layers"][1]["config"]["gate_bias"] == -2.0
