"""Parameters of two layers that share their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import SpecError
from layerkit.core.optimizer import Optimizer
from layerkit.discovery.registry import REGISTRIES
from layerkit.file.inspection import inspect

TANH = {"type": "dense", "units": 5, "activation": "tanh"}
OPTIMIZERS: list[Any] = ["sgd", "adam", {"type": "adamw", "weight_decay": 0.3}, "momentum"]


def spec(tie: dict[str, str], *, units: int = 5, **train: Any) -> dict[str, Any]:
    """Two layers of one width; the second is tied to the first."""
    return {
        "layerkit": 1,
        "dtype": "float64",
        "input": {"shape": [5]},
        "layers": [
            {**TANH, "name": "one"},
            {**TANH, "name": "two", "units": units, "tie": tie},
            {"type": "dense", "units": 2, "name": "last"},
        ],
        "output": {"targets": ["a", "b"]},
        "train": {"epochs": 3, "batch_size": 7, "loss": "mse", "seed": 3, **train},
    }


def rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 5)), rng.normal(size=(20, 2))


def by_hand(x: Any, y: Any, W: Any, b1: Any, b2: Any, V: Any, c: Any) -> float:
    h = np.tanh(np.tanh(x @ W + b1) @ W + b2)
    return float(((h @ V + c - y) ** 2).sum(axis=1).mean() / y.shape[1])


def test_gradients_of_both_uses_add() -> None:
    given = spec({"W": "one.W"}, epochs=1, batch_size=20, optimizer="sgd")
    x, y = rows()
    model = layerkit.build(given)
    t = model.tensors()
    assert (t["one.W"] == t["two.W"]).all()

    def loss(W: Any) -> float:
        return by_hand(x, y, W, t["one.b"], t["two.b"], t["last.W"], t["last.b"])

    slopes, step = np.zeros((5, 5)), 1e-6
    for at in np.ndindex(5, 5):
        up, down = t["one.W"].copy(), t["one.W"].copy()
        up[at] += step
        down[at] -= step
        slopes[at] = (loss(up) - loss(down)) / (2 * step)
    after = layerkit.train(given, data=(x, y)).model.tensors()
    rate = model.spec.train["optimizer"]["learning_rate"]  # type: ignore[index]
    moved = (t["one.W"] - after["one.W"]) / rate
    factor = (moved * slopes).sum() / (slopes * slopes).sum()  # how the loss averages
    np.testing.assert_allclose(moved, slopes * factor, rtol=1e-6, atol=1e-8)
    assert factor == pytest.approx(round(factor), rel=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("target", ["one.W", "one.W.T"])
def test_tied_parameters_stay_equal(optimizer: Any, target: str) -> None:
    given = spec({"W": target}, optimizer=optimizer, clip_norm=0.5)
    model = layerkit.train(given, data=rows()).model
    t = model.tensors()
    own = t["one.W"].T if target.endswith("T") else t["one.W"]
    assert (t["two.W"] == own).all()
    assert (t["one.W"] != layerkit.build(given).tensors()["one.W"]).all()
    assert model.network.parameters == model.network.size - 25
    assert sum(p.parameters for p in model.network.planned) == model.network.parameters


def test_the_norm_of_a_clipped_gradient_counts_shared_numbers_once() -> None:
    norms = []

    class Norm(Optimizer):
        """Sees the gradient as it is applied."""

        type_name = "tests.norm-of-ties"

        def __init__(self, *, learning_rate: float = 0.1) -> None:
            self.learning_rate = learning_rate

        def rule(self, p: Any, g: Any, slots: Any, scratch: Any) -> None:
            norms.append(float(np.sqrt((g * g).sum())))

    layerkit.register(Norm)
    try:
        given = spec({"W": "one.W"}, optimizer="tests.norm-of-ties", clip_norm=1e-3, epochs=1)
        layerkit.train(given, data=rows())
    finally:
        REGISTRIES["optimizers"].unregister("tests.norm-of-ties")
    assert norms == pytest.approx([1e-3] * len(norms), rel=1e-9)


@pytest.mark.parametrize("target", ["one.W", "one.W.T"])
def test_files_and_resumed_trainings(target: str, tmp_path: Path) -> None:
    given = spec({"W": target}, optimizer="adam", epochs=4)
    whole, part = tmp_path / "whole.layerkit", tmp_path / "part.layerkit"
    model = layerkit.train(given, data=rows()).model
    layerkit.save(model, whole)
    half = layerkit.train(given, data=rows(), settings=["train.epochs=2"])
    layerkit.save(half.model, part)
    told: list[str] = []

    class Notices(layerkit.Listener):
        def notice(self, text: str) -> None:
            told.append(text)

    resumed = layerkit.resume(part, data=rows(), epochs=4, listener=Notices())
    layerkit.save(resumed.model, part)
    assert part.read_bytes() == whole.read_bytes()
    assert told == []  # the spec ties them, so they stay tied
    aliases = inspect(whole).header["aliases"]
    assert aliases == ({} if target.endswith("T") else {"two.W": "one.W"})
    assert "optimizer/m/two.W" not in inspect(whole).tensors
    for how in {}, {"mmap": True}:
        again = layerkit.load(whole, **how)  # type: ignore[arg-type]
        assert (again.predict(rows()[0]) == model.predict(rows()[0])).all()
    layerkit.save(layerkit.load(whole), part)
    assert part.read_bytes() == whole.read_bytes()


def test_ties_inside_containers() -> None:
    inner = {"type": "dense", "units": 5, "name": "a"}
    given = spec({"W": "one.W"})
    again = {**inner, "name": "b", "tie": {"W": "block.a.W", "b": "block.a.b"}}
    given["layers"][1] = {"type": "residual", "name": "block", "layers": [inner, again]}
    t = layerkit.train(given, data=rows()).model.tensors()
    assert (t["block.a.W"] == t["block.b.W"]).all()
    assert (t["block.a.b"] == t["block.b.b"]).all()


@pytest.mark.parametrize(
    ("tie", "location", "words"),
    [
        (3, "layers[1].tie", "an object such as"),
        ({"W": 3}, "layers[1].tie.W", "a parameter of another layer"),
        ({"w": "one.W"}, "layers[1].tie.w", "has no parameter 'w'; did you mean 'W'?"),
        ({"W": "one.w"}, "layers[1].tie.W", "there is no parameter 'one.w'; did you mean"),
        ({"W": "last.W"}, "layers[1].tie.W", "expected one of a layer before it"),
        ({"W": "one.b"}, "layers[1].tie.W", "expected shape [5, 5], got [5]"),
    ],
)
def test_wrong_ties_are_refused_where_they_are(tie: Any, location: str, words: str) -> None:
    with pytest.raises(SpecError) as refused:
        layerkit.build(spec(tie))
    assert refused.value.location == location
    assert words in str(refused.value)


def test_other_wrong_ties() -> None:
    narrow = spec({"W": "one.W"}, units=3)
    with pytest.raises(SpecError, match=r"expected shape \[5, 3\], got \[5, 5\] from 'one.W'"):
        layerkit.build(narrow)
    frozen = spec({"W": "one.W"})
    frozen["layers"][1]["freeze"] = True
    with pytest.raises(SpecError, match="freeze both or none"):
        layerkit.build(frozen)
    inner = {**TANH, "name": "inner", "tie": {"W": "one.W"}}
    frozen["layers"][1] = {"type": "sequence", "name": "two", "layers": [inner], "freeze": True}
    with pytest.raises(SpecError, match=r"'two\.inner' is frozen, but 'one\.W' is trained"):
        layerkit.build(frozen)
    frozen["layers"][0]["freeze"] = True
    assert layerkit.build(frozen).network.trainable() == [slice(60, 72)]
    chained = spec({"W": "one.W"})
    chained["layers"][2] = {**TANH, "tie": {"W": "two.W"}}
    chained["output"] = {}
    with pytest.raises(SpecError, match=r"'two\.W' is tied itself"):
        layerkit.build(chained)
