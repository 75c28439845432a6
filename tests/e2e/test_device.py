"""``--device``: what it says where there is no such device, and a training on the one of tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import layerkit
from layerkit.discovery.registry import DEVICES
from layerkit_plugins.devices import cuda
from tests.e2e.conftest import Cli
from tests.unit.strict import Strict


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'cupy'", name="cupy")

    monkeypatch.setattr(cuda, "_cupy", missing)


@pytest.mark.usefixtures("no_cupy")
@pytest.mark.parametrize("command", ["train", "resume"])
def test_without_cupy_the_command_says_what_to_install(command: str, cli: Cli) -> None:
    source = "highway-digits"
    if command == "resume":
        source = "net.layerkit"
        run = layerkit.train("highway-digits", settings=["train.epochs=1"])
        layerkit.save(run.model, source)
    done = cli(command, source, "--device", "cuda", *(["--epochs", "2"] * (command == "resume")))
    assert done.code == 1
    assert "error LK-501: the device 'cuda' needs the package cupy-cuda12x" in done.err
    assert 'install it with: python -m pip install "layerkit[cuda]"' in done.err
    assert done.out == ""
    assert [p.name for p in Path().glob("*.layerkit")] == ["net.layerkit"] * (command == "resume")


def test_an_unknown_device_gets_the_nearest(cli: Cli) -> None:
    done = cli("train", "highway-digits", "--device", "cdua")
    assert done.code == 1
    assert "unknown device 'cdua'; did you mean 'cuda'?" in done.err
    assert "installed devices: cpu, cuda" in done.err


def test_folds_are_trained_on_the_cpu(cli: Cli) -> None:
    done = cli("train", "highway-digits", "--folds", "3", "--device", "cuda")
    assert done.code == 2
    assert "--folds trains on the CPU, so --device cannot be used" in done.err


def test_a_training_there_saves_what_one_here_saves(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DEVICES._local, "strict", Strict)
    words = "train", "highway-digits", "--set", "dtype=float64", "--epochs"
    assert cli(*words, "2", "-o", "here.layerkit").code == 0
    assert cli(*words, "1", "-o", "there.layerkit", "--device", "strict").code == 0
    again = "resume", "there.layerkit", "--epochs", "2"
    assert cli(*again, "--device", "strict").code == 0
    here, there = map(layerkit.load, ("here.layerkit", "there.layerkit"))
    for name, array in here.tensors().items():
        np.testing.assert_allclose(there.tensors()[name], array, rtol=1e-11, atol=1e-12)
    assert cli(*again[:2], "--epochs", "3", "--device", "cpu").code == 0
    seeds = cli(*words, "1", "--seeds", "2", "--device", "strict")
    assert seeds.code == 0
    assert len(list(Path().glob("*-s?.layerkit"))) == 2
