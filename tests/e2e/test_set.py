"""A mistake in an override is told at the override, one in the file at its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import layerkit
from layerkit import LayerkitError, SpecError
from tests.e2e.conftest import PETS, Cli

MISTAKES = [  # the override, and what the message says after it
    ("train.epochs=abc", "an integer >= 1"),
    ("train.epochs=2.5", "an integer >= 1"),
    ("train.epochs=true", "expected an integer >= 1, got true"),
    ("train.epochs=-1", "an integer >= 1"),
    ("train.epoch=3", "unknown field 'epoch'; did you mean 'epochs'?"),
    ("trayn.epochs=3", "trayn: unknown field 'trayn'; did you mean 'train'?"),
    ("train.test=1.5", ""),
    ("train..epochs=3", "unknown field ''"),
    ("train.optimizer=adm", "unknown optimizer 'adm'"),
    ("train.optimizer.type=adm", "unknown optimizer 'adm'"),
    ("train.optimizer.learning_rat=0.1", "did you mean 'learning_rate'?"),
    ("train.optimizer.learning_rate=fast", "a number"),
    ("train.optimizer.beta1.x=1", "train.optimizer.beta1: expected a number"),
    ("train.optimizer.learning_rate.x=1", "is 0.05, which has no field 'x'"),
    ("train.optimizer.type=schedule_free", "unknown optimizer"),
    ("train.schedule=cosin", "unknown schedule 'cosin'; did you mean 'cosine'?"),
    ('train.metrics=["accuracy", "acuracy"]', "train.metrics[1]: unknown metric 'acuracy'"),
    ("train.metrics.0=acuracy", "train.metrics: expected a list"),
    ("train.early_stopping.patience=x", "an integer"),
    ("train.early_stopping.patiance=3", "did you mean 'patience'?"),
    ("train.early_stopping.metric=f1", ", got 'f1' (a string)"),
    ("train.loss=mse", "a regression loss cannot learn classes"),
    ("layers.0.units=0", "an integer >= 1"),
    ("layers.0.unit=4", "unknown field 'unit'; did you mean 'units'?"),
    ("layers.0.activation=rellu", "did you mean 'relu'"),
    ("layers.0.activation.slope=0.2", "unknown field 'slope'"),
    ("layers.1.type=highwy", "unknown layer type 'highwy'"),
    ("layers.1.type=projection", "missing field 'units': expected an integer >= 1"),
    ('layers.0={"type": "dense", "unitz": 3}', "layers[0].unitz: unknown field 'unitz'"),
    ('layers.0={"type": "dense"', "the value is not valid JSON"),
    ("layers.0=[1", "the value is not valid JSON"),
    ('name="a', "the value is not valid JSON"),
    ("layers.-1.units=3", "expected 2 outputs, one per class, got 3 from "),
    ("layers.0.units=5000000000000", "this machine has"),
    ("layers.0.units=5", None),  # fits: no mistake
    ("layers.1={}", "missing field 'type': expected the name of a layer type"),
    ("layers.7.units=1", "expected an index from 0 to 2"),
    ("layers.dense_1.units=1", "expected an index from 0 to 2, got 'dense_1'"),
    ("layers.99999999999999999999.units=1", "an index from 0 to 2"),
    (
        'layers=[{"type": "dense", "units": 3}]',
        "layers[0]: expected 2 outputs, one per class, got 3",
    ),
    ("layers={}", "a list"),
    ("input.shape=[3]", "input: give either 'shape' or 'columns', not both"),
    ("input.columns=[]", "one or more distinct names"),
    ("input.columns.0=kind", "'kind' is the answer to be learned"),
    ("input.scale=minmix", ""),
    ("output.classes=[1]", "two or more"),
    ('output.targets=["weight"]', "not both"),
    ("output.column.x=1", ""),
    ("dtype=float16", "expected one of 'float32', 'float64'"),
    ("name=", ""),
    ("name=NaN", "NaN is not JSON"),
    ("train.seed=1e400", "expected an integer"),
    ("train.epochs", "expected PATH=VALUE"),
    ("=3", "expected PATH=VALUE"),
    ("layerkit=2", ""),
    ('input={"columns": ["x"], "columns": ["y"]}', "'columns' is given twice"),
]


@pytest.mark.parametrize(("setting", "words"), MISTAKES, ids=[s for s, _ in MISTAKES])
def test_a_mistake_is_told_at_its_override(cli: Cli, setting: str, words: str | None) -> None:
    done = cli("build", "pets.json", "--dry-run", "--set", setting)
    if words is None:
        assert done.code == 0
        return
    first = done.err.split("\n")[0]
    told = first.partition(": ")[2]
    lines = [line.strip() for line in done.err.split("\n")[1:-2]] if " mistakes" in told else [told]
    assert done.code == 1
    assert all(line.startswith(f"--set {setting}: ") for line in lines)
    assert any(words in line for line in lines)
    assert "line " not in done.err
    assert "pets.json" not in done.err
    with pytest.raises(LayerkitError) as caught:
        layerkit.build("pets.json", settings=["dtype=float64", setting])
    assert "settings[1] " in str(caught.value)
    assert "line " not in str(caught.value)


def test_an_error_tells_its_override_as_data(cli: Cli) -> None:
    told = cli("build", "pets.json", "--set", "layers.0.units=x", "--json").error
    assert told["setting"] == "--set layers.0.units=x"
    assert (told["location"], told["line"], told["path"]) == ("layers[0].units", None, None)


@pytest.fixture
def wrong(folder: Path) -> str:
    """A spec with a mistake of its own on line 12."""
    spec = json.loads(json.dumps(PETS))
    spec["layers"][0]["unitz"] = 3
    text = json.dumps(spec, indent=1)
    Path("wrong.json").write_text(text)
    line = text[: text.index('"unitz"')].count("\n") + 1
    return f"layers[0].unitz (line {line}): unknown field 'unitz'"


def test_a_mistake_of_the_file_keeps_its_line(cli: Cli, wrong: str) -> None:
    for settings in ([], ["--set", "train.epochs=3"], ["--set", "layers.0.units=5"]):
        done = cli("build", "wrong.json", *settings)
        assert done.err.startswith(f"error LK-201: wrong.json: {wrong}")
        assert "--set" not in done.err


def test_one_mistake_of_each(cli: Cli, wrong: str) -> None:
    done = cli("build", "wrong.json", "--set", "train.epochs=abc")
    first, *rest = done.err.split("\n")
    assert first == "error LK-201: wrong.json: 2 mistakes"
    told = sorted(line.strip() for line in rest[:2])
    assert told[0].startswith("--set train.epochs=abc: expected an integer")
    assert told[1].startswith(wrong)
    done = cli("build", "wrong.json", "--set", "layers.0.unitz=4")
    assert done.err.startswith("error LK-201: --set layers.0.unitz=4: unknown") or wrong in done.err


def test_an_override_may_mend_the_file(cli: Cli, wrong: str) -> None:
    layer = 'layers.0={"type": "dense", "units": 4}'
    assert cli("build", "wrong.json", "--dry-run", "--set", layer).code == 0


def test_a_consequence_is_told_at_the_override(cli: Cli) -> None:
    """The mistake shows in a part of the file that is right without the override."""
    done = cli("build", "pets.json", "--set", "layers.0.type=highway", "--set", "layers.1.units=9")
    assert "line " not in done.err
    assert "--set layers.0.type=highway" in done.err
    two = cli("build", "pets.json", "--set", "output.classes=[1, 2, 3]", "--set", "name=x")
    assert "error LK-202: --set output.classes=[1, 2, 3]" in two.err


def test_the_last_override_of_a_field_is_the_one(cli: Cli) -> None:
    done = cli("build", "pets.json", "--set", "train.epochs=abc", "--set", "train.epochs=def")
    assert done.err.startswith("error LK-201: --set train.epochs=def: ")


def test_options_are_told_as_options(cli: Cli) -> None:
    done = cli("train", "pets.json", "--data", "pets.csv", "--epochs", "x")
    assert (done.code, "--epochs: expected an integer >= 1, got 'x'" in done.err) == (2, True)
    done = cli("train", "pets.json", "--data", "pets.csv", "--seed", "x")
    assert (done.code, "--seed: expected an integer >= 0, got 'x'" in done.err) == (2, True)
    for option in ("--epochs", "--seed"):
        huge = cli("train", "pets.json", "--data", "pets.csv", option, 10**301)
        assert huge.code != 0
        assert option in huge.err


def test_the_spec_on_standard_input(cli: Cli) -> None:
    spec = json.dumps(PETS).encode()
    done = cli("build", "-", "--dry-run", "--set", "layers.0.units=x", stdin=spec)
    assert done.err.startswith("error LK-201: --set layers.0.units=x: expected an integer")


def test_a_model_trained_further(cli: Cli) -> None:
    assert cli("train", "pets.json", "--data", "pets.csv").code == 0
    done = cli("train", "pets.layerkit", "--data", "pets.csv", "--set", "train.epochs=x")
    assert done.err.startswith("error LK-201: --set train.epochs=x: expected an integer")


def test_a_comparison_says_in_which_spec(cli: Cli) -> None:
    short: dict[str, Any] = {**PETS, "name": "short", "layers": PETS["layers"][2:]}
    Path("short.json").write_text(json.dumps(short))
    done = cli(
        "compare", "pets.json", "short.json", "--data", "pets.csv", "--set", "layers.2.units=2"
    )
    assert done.err.startswith("error LK-201: short.json: --set layers.2.units=2: layers is a list")


def test_a_spec_as_an_object() -> None:
    with pytest.raises(SpecError) as caught:
        layerkit.build(PETS, settings=["layers.0.units=x"])
    assert str(caught.value).startswith("settings[0] 'layers.0.units=x': expected an integer")
    assert caught.value.location == "layers[0].units"
