"""Convolutions from a spec to a trained file: images of digits, and series of steps."""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array
from layerkit.discovery.registry import EXPORTERS
from layerkit.exporting import program_of

needs_llvm = pytest.mark.skipif(
    importlib.util.find_spec("llvmlite") is None, reason="llvmlite is not installed"
)

IMAGES: dict[str, Any] = {
    "layerkit": 1,
    "name": "images",
    "input": {"shape": [1, 8, 8], "scale": {"divide": 16}},
    "layers": [
        {"type": "shift", "most": 1},
        {"type": "conv2d", "filters": 8, "activation": "relu"},
        {"type": "conv_highway", "repeat": 2},
        {"type": "maxpool"},
        {"type": "conv2d", "filters": 12, "stride": 2, "activation": "relu"},
        {"type": "avgpool", "padding": "same"},
        {"type": "flatten"},
        {"type": "dense", "units": 10},
    ],
    "output": {"classes": [str(digit) for digit in range(10)]},
    "train": {"data": "digits", "optimizer": {"type": "adam", "learning_rate": 0.01}, "epochs": 8},
}

SERIES: dict[str, Any] = {
    "layerkit": 1,
    "name": "series",
    "input": {"shape": [40, 1]},
    "layers": [
        {"type": "conv1d", "filters": 8, "kernel": 5, "padding": "causal", "activation": "relu"},
        {"type": "conv1d", "filters": 8, "kernel": 5, "stride": 2, "activation": "relu"},
        {"type": "conv1d", "filters": 3, "kernel": 3},
        {"type": "global_avgpool"},
    ],
    "output": {"classes": ["sine", "square", "triangle"]},
    "train": {"optimizer": {"type": "adam", "learning_rate": 0.01}, "epochs": 6},
}


def series(count: int = 600, seed: int = 0) -> tuple[Array, Array]:
    """Waves (count, 40, 1) of three forms, at any phase and with noise, and their names."""
    rng = np.random.default_rng(seed)
    t = np.arange(40) / 10 + rng.random((count, 1))
    triangle = 4 * np.abs(t - np.floor(t + 0.5)) - 1
    waves = np.stack([np.sin(2 * np.pi * t), np.sign(np.sin(2 * np.pi * t)), triangle])
    kind = rng.integers(0, 3, count)
    x = waves[kind, np.arange(count)] + 0.1 * rng.normal(size=(count, 40))
    return x[..., None].astype(np.float32), np.array(["sine", "square", "triangle"])[kind]


NETS = {"images": (IMAGES, None, 0.8), "series": (SERIES, series(), 0.9)}


def shorter(spec: dict[str, Any], epochs: int) -> dict[str, Any]:
    return {**spec, "train": {**spec["train"], "epochs": epochs}}


def as_bytes(model: layerkit.Model) -> bytes:
    stream = io.BytesIO()
    layerkit.save(model, stream)
    return stream.getvalue()


@pytest.fixture(params=["0", pytest.param("1", marks=needs_llvm)], ids=["planned", "compiled"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both engines."""
    monkeypatch.setenv("LAYERKIT_FAST", request.param)


class Notices(layerkit.Listener):
    """What was said, and a stop after so many batches."""

    def __init__(self, batches: int = 10_000) -> None:
        self.left = batches
        self.said: list[str] = []

    def notice(self, text: str) -> None:
        self.said.append(text)

    def batch(self, done: int, rows: int) -> None:
        self.left -= 1

    def stop(self) -> bool:
        return self.left <= 0


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("name", NETS)
def test_a_net_learns_and_every_form_passes_its_trial(name: str) -> None:
    spec, data, accuracy = NETS[name]
    told = Notices()
    run = layerkit.train(spec, data=data, listener=told)
    assert told.said == []
    assert run.history["accuracy"][-1] > accuracy


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("name", NETS)
def test_a_resumed_training_reaches_the_same_bytes(name: str) -> None:
    spec, data, _ = NETS[name]
    whole = layerkit.train(shorter(spec, 2), data=data)
    steps = whole.steps // 2
    part = layerkit.train(shorter(spec, 2), data=data, listener=Notices(steps + 1))
    assert (part.ended, part.epochs) == ("interrupted", 1)
    stream = io.BytesIO(as_bytes(part.model))
    gone_on = layerkit.resume(layerkit.load(stream), data=data)
    assert as_bytes(gone_on.model) == as_bytes(whole.model)


@pytest.mark.parametrize("name", NETS)
def test_a_file_predicts_in_another_process_and_in_other_forms(name: str, tmp_path: Path) -> None:
    spec, data, _ = NETS[name]
    model = layerkit.train(shorter(spec, 1), data=data).model
    rows = np.random.default_rng(1).random((3, *model.spec.in_shape)).astype(np.float32)
    layerkit.save(model, tmp_path / "net.layerkit")
    np.save(tmp_path / "rows.npy", rows)
    code = (
        "import layerkit, numpy; model = layerkit.load('net.layerkit'); "
        "numpy.save('found.npy', model.predict(numpy.load('rows.npy')))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    wanted = model.predict(rows)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), wanted, rtol=0, atol=1e-6)
    for form, needs in (("onnx", "onnxruntime"), ("c", None), ("python", None)):
        if (needs and importlib.util.find_spec(needs) is None) or (
            form == "c" and shutil.which("cc") is None
        ):
            continue
        part = EXPORTERS.create(form)
        found = part.run(part.content(program_of(model)), rows)
        np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=0, atol=1e-6)
