"""The ready tabular ResNet: batch normalisation and dropout in residual blocks, all the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import layerkit
from layerkit import Array, Rows

MODELS = Path(__file__).parents[2] / "models"
COLUMNS: list[str] = layerkit.build("california-resnet").spec.input["columns"]
QUICK = ["train.batch_size=32", "train.early_stopping=null", "train.optimizer.learning_rate=0.01"]


def table(rows: int = 300) -> dict[str, Array]:
    """Columns of the spec, one with gaps, and a target that products of them make."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, len(COLUMNS)))
    y = 100 * (x[:, 0] * x[:, 1] + np.abs(x[:, 2])) + rng.normal(size=rows)
    x[::17, 4] = np.nan
    return {name: x[:, j] for j, name in enumerate(COLUMNS)} | {"median_house_value": y}


def asked() -> dict[str, Array]:
    """Twenty rows to predict."""
    return {name: values[:20] for name, values in table().items() if name in COLUMNS}


def trained(epochs: int) -> layerkit.Model:
    settings = [*QUICK, f"train.epochs={epochs}", "train.schedule=constant"]
    data = {"train": Rows(columns=table())}
    return layerkit.train("california-resnet", data=data, settings=settings).model


def test_it_trains_and_resumes_to_the_same_bytes(folder: Path) -> None:
    whole = trained(6)
    assert whole.history["loss"][-1] < 0.3 * whole.history["loss"][0]
    state = whole.tensors()["residual_3.batchnorm_1.mean"]
    assert np.abs(state).max() > 0.01
    layerkit.save(whole, "whole.layerkit")
    layerkit.save(trained(2), "half.layerkit")
    resumed = layerkit.resume(
        "half.layerkit", epochs=6, data={"train": Rows(columns=table())}
    ).model
    layerkit.save(resumed, "resumed.layerkit")
    assert Path("resumed.layerkit").read_bytes() == Path("whole.layerkit").read_bytes()


def test_another_process_predicts_the_same(folder: Path) -> None:
    model, rows = trained(2), asked()
    layerkit.save(model, "net.layerkit")
    np.savez("rows.npz", **rows)  # type: ignore[arg-type]  # arrays by name
    code = (
        "import layerkit, numpy as np; rows = dict(np.load('rows.npz')); "
        "np.save('answers.npy', layerkit.load('net.layerkit').predict(rows))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    np.testing.assert_array_equal(np.load("answers.npy"), model.predict(rows))


@pytest.mark.parametrize("form", ["onnx", "python", "c"])
def test_it_is_exported(form: str, folder: Path) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    name = {"onnx": "net.onnx", "python": "net.py", "c": "net.c"}[form]
    layerkit.export(trained(1), name, to=form, verify=asked())
    assert Path(name).stat().st_size > 10_000


def test_it_is_compared_with_a_plain_net_of_its_size(folder: Path) -> None:
    dense = {"type": "dense", "units": 128, "activation": "relu", "initializer": "he_normal"}
    spec = json.loads((MODELS / "california-resnet.json").read_text())
    plain = {**spec, "name": "plain", "layers": [*[dense] * 4, {"type": "dense", "units": 1}]}
    data = {"train": Rows(columns=table())}
    settings = [*QUICK, "train.epochs=2"]
    done = layerkit.compare(["california-resnet", plain], data=data, seeds=2, settings=settings)
    assert [one.parameters for one in done.contestants] == [50881, 50817]
    assert all(one.metrics["r2"].n == 2 for one in done.contestants)
