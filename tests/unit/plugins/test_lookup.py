"""embedding, select, reshape, flatten: their numbers are PyTorch's, eager and in trained nets."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import ShapeError, SpecError

RNG = np.random.default_rng(3)


def fed(config: dict[str, Any], x: Any, dy: Any) -> dict[str, Any]:
    """y, dx and the gradients of one layer in float64, as it is recorded and run."""
    spec = {"layerkit": 1, "dtype": "float64", "input": {"shape": list(x.shape[1:])},
            "layers": [config]}  # fmt: skip
    network = layerkit.build(spec).network
    network.allocate_grads()
    contexts = network.contexts(training=True, wants_dx=True)
    found = {"y": network.feed(x, contexts), "dx": network.backprop(dy, contexts)}
    (layer,) = network.layers
    return {**found, **layer.params, **{f"d{k}": v for k, v in layer.grads.items()}}


@pytest.mark.parametrize("shape", [(4,), (1,), (2, 3)], ids=str)
def test_embedding_is_that_of_torch(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    x = RNG.integers(0, 7, (5, *shape)).astype(np.float64)
    dy = RNG.standard_normal((5, *shape, 3))
    found = fed({"type": "embedding", "size": 7, "units": 3}, x, dy)
    E = torch.tensor(found["E"], requires_grad=True)
    y = torch.nn.functional.embedding(torch.tensor(x.astype(np.int64)), E)
    y.backward(torch.tensor(dy))
    np.testing.assert_array_equal(found["y"], y.detach().numpy())
    np.testing.assert_allclose(found["dE"], E.grad.numpy(), rtol=0, atol=1e-14)
    np.testing.assert_array_equal(found["dx"], np.zeros_like(x))


@pytest.mark.parametrize(
    ("shape", "columns"),
    [((5,), [3, 0]), ((5,), [1, 2, 3]), ((5,), [4]), ((2, 3), [2, 2, 0]), ((2, 3), [1, 2])],
    ids=str,
)
def test_select_is_index_select_of_torch(shape: tuple[int, ...], columns: list[int]) -> None:
    torch = pytest.importorskip("torch")
    x = RNG.standard_normal((4, *shape))
    dy = RNG.standard_normal((4, *shape[:-1], len(columns)))
    found = fed({"type": "select", "columns": columns}, x, dy)
    given = torch.tensor(x, requires_grad=True)
    y = torch.index_select(given, -1, torch.tensor(columns))
    y.backward(torch.tensor(dy))
    np.testing.assert_array_equal(found["y"], y.detach().numpy())
    np.testing.assert_allclose(found["dx"], given.grad.numpy(), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("config", "shape", "out"),
    [
        ({"type": "reshape", "shape": [2, -1]}, (6,), (2, 3)),
        ({"type": "reshape", "shape": [3, 2, 1]}, (2, 3), (3, 2, 1)),
        ({"type": "reshape", "shape": [-1]}, (2, 3), (6,)),
        ({"type": "flatten"}, (2, 3), (6,)),
        ({"type": "flatten"}, (6,), (6,)),
    ],
    ids=str,
)
def test_numbers_stay_in_order(config: Any, shape: Any, out: Any) -> None:
    x, dy = RNG.standard_normal((4, *shape)), RNG.standard_normal((4, *out))
    found = fed(config, x, dy)
    np.testing.assert_array_equal(found["y"], x.reshape(4, *out))
    np.testing.assert_array_equal(found["dx"], dy.reshape(4, *shape))


@pytest.mark.parametrize(
    ("config", "shape", "reason"),
    [
        ({"type": "reshape", "shape": [4, -1]}, [6], "rows of a multiple of 4 numbers .* got 6"),
        ({"type": "reshape", "shape": [2, 2]}, [6], r"rows of 4 numbers .* got 6 of shape \[6\]"),
        ({"type": "select", "columns": [0, 6]}, [6], "columns from 0 to 5, got 6"),
    ],
    ids=["rest", "size", "column"],
)
def test_rows_that_do_not_fit_are_refused(config: Any, shape: list[int], reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        layerkit.build({"layerkit": 1, "input": {"shape": shape}, "layers": [config]})


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"type": "reshape", "shape": [-1, -1]}, "one of them perhaps -1"),
        ({"type": "reshape", "shape": [0]}, "sizes >= 1"),
        ({"type": "reshape", "shape": []}, "sizes >= 1"),
        ({"type": "select", "columns": []}, "one or more columns"),
        ({"type": "select", "columns": [-1]}, ">= 0"),
        ({"type": "embedding", "size": 0, "units": 3}, "size"),
    ],
    ids=["rests", "nothing", "none", "no column", "negative", "no vectors"],
)
def test_settings_that_mean_nothing_are_refused(config: Any, reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        layerkit.build({"layerkit": 1, "input": {"shape": [6]}, "layers": [config]})


def test_huge_shapes_are_refused_at_once() -> None:
    for layer in ({"type": "flatten"}, {"type": "select", "columns": [0]}):
        spec = {"layerkit": 1, "input": {"shape": [10**9, 1000]}, "layers": [layer]}
        with pytest.raises(SpecError, match="memory"):
            layerkit.build(spec)


TOKENS = RNG.integers(0, 9, (80, 4))
TREND = TOKENS[:, 0] + TOKENS[:, 2] > 8


def spec(epochs: int) -> dict[str, Any]:
    """Tokens, turned and reshaped on the way to the vectors."""
    return {
        "layerkit": 1,
        "input": {"shape": [4]},
        "layers": [
            {"type": "select", "columns": [2, 0, 0]},
            {"type": "reshape", "shape": [3, 1]},
            {"type": "embedding", "size": 9, "units": 4},
            {"type": "flatten"},
            {"type": "dense", "units": 8, "activation": "tanh"},
            {"type": "dense", "units": 2},
        ],
        "output": {"classes": [0, 1]},
        "train": {"epochs": epochs, "seed": 1, "batch_size": 16,
                  "optimizer": {"type": "adam", "learning_rate": 0.03}},
    }  # fmt: skip


def filed(model: layerkit.Model) -> bytes:
    stream = io.BytesIO()
    layerkit.save(model, stream)
    return stream.getvalue()


def test_a_net_on_tokens_learns_and_goes_on_to_the_same_bytes() -> None:
    data = (TOKENS, TREND.astype(int))
    whole = layerkit.train(spec(30), data=data).model
    assert layerkit.evaluate(whole, data)["accuracy"] > 0.95
    half = layerkit.load(filed(layerkit.train(spec(15), data=data).model))
    assert filed(layerkit.resume(half, data=data, epochs=30).model) == filed(whole)


@pytest.mark.parametrize("form", ["onnx", "c", "python"])
def test_a_net_on_tokens_is_exported(form: str, tmp_path: Path) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    model = layerkit.train(spec(1), data=(TOKENS, TREND.astype(int))).model
    assert layerkit.export(model, tmp_path / "m", to=form, verify=TOKENS).verified is not None


def test_all_forms_give_the_same_predictions() -> None:
    model = layerkit.train(spec(1), data=(TOKENS, TREND.astype(int))).model
    written = model.predict_as_written(TOKENS)
    np.testing.assert_allclose(model.predict(TOKENS), written, atol=1e-6)
    np.testing.assert_allclose(model.predict(TOKENS[:1]), written[:1], atol=1e-6)
    pytest.importorskip("llvmlite")
    np.testing.assert_allclose(model.accelerate().predict(TOKENS), written, atol=1e-6)
    np.testing.assert_allclose(model.predict(TOKENS[:1]), written[:1], atol=1e-6)


def test_whole_numbers_are_not_taken_from_a_layer_that_computes() -> None:
    wrong = {**spec(1), "layers": [{"type": "dense", "units": 4}, *spec(1)["layers"]]}
    with pytest.raises(ShapeError, match="embedding_1' takes whole numbers, which 'reshape_1'"):
        layerkit.build(wrong)
