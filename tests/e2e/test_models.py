"""The ready specs in models/: they build, keep their budgets, and learn what their pages claim."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import layerkit
from tests.e2e.conftest import Cli

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("LAYERKIT_SHARED", ROOT.parent / "shared"))
SPECS = sorted((ROOT / "models").glob("*.json"))

needs_mnist = pytest.mark.skipif(
    not (SHARED / "data" / "mnist").is_dir(), reason="needs the MNIST files of the shared folder"
)


def size(name: str) -> int:
    return layerkit.build(name).network.size


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_builds_and_is_named_after_its_file(path: Path) -> None:
    model = layerkit.build(path)
    assert model.name == path.stem
    assert model.network.size > 0
    assert np.isfinite(model.network.params).all()


def test_the_specs_that_the_readme_of_models_promises_are_there() -> None:
    names = {p.stem for p in SPECS}
    trios = {
        f"{kind}-{data}"
        for kind in ("plain", "highway", "projection")
        for data in ("digits", "mnist")
    }
    depth = {f"depth-{kind}-{n}" for kind in ("plain", "highway") for n in (10, 20, 50, 100)}
    assert names >= {*trios, *depth, "article-digits", "california-housing", "letter"}
    assert "highway-conv-mnist" in names


@pytest.mark.parametrize(("width", "parameters"), [(16, 38_986), (32, 151_690)])
def test_the_convolutional_net_has_the_size_of_table_1(width: int, parameters: int) -> None:
    """Srivastava et al., arXiv 1507.06228: 39K and 151K."""
    model = layerkit.build("highway-conv-mnist", settings=[f"layers.1.filters={width}"])
    assert model.network.size == parameters
    shapes = [p.plan.out_shape for p in model.network.planned if p.plan.params]
    assert shapes[:9] == [(width, s, s) for s in (28, 28, 28, 14, 14, 14, 7, 7, 7)]


def test_a_ready_spec_is_found_by_its_name_wherever_a_spec_is_taken(cli: Cli) -> None:
    whole = layerkit.build(ROOT / "models" / "highway-digits.json")
    for model in (layerkit.build("highway-digits"), layerkit.build(Path("highway-digits"))):
        assert model.spec == whole.spec
        assert model.network.params.tobytes() == whole.network.params.tobytes()
    settings = ("--set", "train.epochs=1")
    assert cli("build", "plain-digits").code == 0
    assert cli("train", "highway-digits", "-q", *settings).code == 0
    done = cli("compare", "plain-digits", "highway-digits.layerkit", "--seeds", 1, *settings, "-q")
    assert done.code == 0
    assert layerkit.train("highway-digits", settings=["train.epochs=1"]).epochs == 1


def test_a_file_or_folder_comes_before_the_ready_spec_of_its_name(
    folder: Path, cli: Cli, spec: Callable[..., Path]
) -> None:
    spec("highway-digits", name="own")
    assert layerkit.build("highway-digits").name == "own"
    assert "own: input 2" in cli("build", "highway-digits", "--dry-run").out
    (folder / "plain-digits").mkdir()
    with pytest.raises(IsADirectoryError):
        layerkit.build("plain-digits")


@pytest.mark.parametrize(
    "path", ["./highway-digits", "models/highway-digits", "highway-digits.json", "Highway-digits"]
)
def test_a_path_is_no_name_of_a_ready_spec(folder: Path, path: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"there is no file {path}"):
        layerkit.build(path)


def test_a_missing_spec_names_the_ready_one(cli: Cli) -> None:
    for command in ("build", "train", "compare"):
        told = cli(command, "models/highway-digits.json", "--json").error
        assert told["message"].startswith("there is no file models/highway-digits.json")
        assert told["hint"].startswith("highway-digits is a ready spec: give its name alone")
        assert "did you mean 'highway-digits'" in cli(command, "higway-digits").err
        assert cli(command, "quite-another.json", "--json").error["hint"] is None


def test_a_file_of_a_near_name_does_not_hide_the_ready_spec(cli: Cli, folder: Path) -> None:
    (folder / "digits.layerkit").touch()
    done = cli("build", "highwaydigits")
    assert "there is no file highwaydigits; did you mean 'digits.layerkit'?" in done.err
    assert "among the ready specs, did you mean 'highway-digits'" in done.err


def test_the_list_of_ready_specs_is_true_and_fits_a_terminal(cli: Cli) -> None:
    told = cli("models", "--json").json["models"]
    assert {m["name"] for m in told} == {path.stem for path in SPECS}
    page = (ROOT / "models" / "README.md").read_text()
    shown = cli("models").out
    for model in told:
        spec = json.loads((ROOT / "models" / f"{model['name']}.json").read_text())
        assert model["data"] == spec["train"].get("data")
        assert model["parameters"] == size(model["name"])
        assert model["shows"] in shown
        row = next(line for line in page.split("\n") if line.startswith(f"| `{model['name']}` |"))
        assert f"| {model['shows']} | {model['parameters']:,} |" in row
    assert max(map(len, shown.split("\n"))) <= 80


def test_a_ready_spec_is_printed_as_it_stands(cli: Cli) -> None:
    assert cli("models", "letter").out == (ROOT / "models" / "letter.json").read_text()
    done = cli("models", "leter")
    assert (done.code, "did you mean 'letter'?" in done.err) == (2, True)


@pytest.mark.parametrize("data", ["digits", "mnist"])
def test_the_three_architectures_have_equal_budgets(data: str) -> None:
    sizes = [size(f"{kind}-{data}") for kind in ("plain", "highway", "projection")]
    assert max(sizes) / min(sizes) < 1.01


def test_the_depth_study_has_the_papers_sizes_a_layer() -> None:
    """5,100 parameters a highway layer of 50 and 5,112 a plain one of 71."""
    assert (size("depth-highway-20") - size("depth-highway-10")) / 10 == 5100
    assert (size("depth-plain-20") - size("depth-plain-10")) / 10 == 5112


def test_the_article_net_says_that_its_carry_is_saturated() -> None:
    said: list[str] = []

    class Ear(layerkit.Listener):
        def notice(self, text: str) -> None:
            said.append(text)

        def stop(self) -> bool:
            return True

    layerkit.train("article-digits", listener=Ear())
    assert len(said) == 1
    assert "the carry is saturated" in said[0]
    spec = json.loads((ROOT / "models" / "article-digits.json").read_text())
    assert spec["train"]["batch_size"] == 3
    assert spec["layers"][0] | {"repeat": 4, "carry_initializer": "ones"} == spec["layers"][0]


def test_eight_highway_layers_learn_the_digits() -> None:
    runs = layerkit.train_seeds("highway-digits", seeds=5)
    accuracies = [run.metrics["test_accuracy"] for run in runs]
    assert runs[0].model.network.size == 19_306
    assert np.mean(accuracies) >= 0.96


@needs_mnist
@pytest.mark.parametrize(
    "name",
    [
        "highway-mnist",
        *(
            pytest.param(f"{kind}-mnist", marks=pytest.mark.slow)
            for kind in ("projection", "plain")
        ),
    ],
)
def test_two_epochs_of_some_mnist(name: str) -> None:
    run = train_on_mnist(name, 10_000, ["train.epochs=2", "train.validation=0"])
    assert run.metrics["test_accuracy"] > 0.9


@needs_mnist
@pytest.mark.slow
def test_a_hundred_layers_learn_only_with_highways() -> None:
    settings = ["train.epochs=2"]
    assert train_on_mnist("depth-highway-100", 6_000, settings).history["loss"][-1] < 1.0
    # 2.21 to 2.32 over seeds so early, where last bits decide; 2.3026 is the loss of guessing.
    assert train_on_mnist("depth-plain-100", 6_000, settings).history["loss"][-1] > 2.15


def train_on_mnist(name: str, rows: int, settings: list[str]) -> layerkit.Run:
    splits = layerkit.load_data("mnist", where=SHARED / "data" / "mnist")
    splits["train"] = splits["train"].take(slice(0, rows))
    return layerkit.train(name, data=splits, settings=settings)
