"""Weights of PyTorch, scikit-learn and Keras as models: equal answers, and every fault told."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, DataError, Model, TensorMismatchError, WeightsError

HERE = Path(__file__).parent
ROWS = np.random.default_rng(1).normal(size=(30, 4)).astype(np.float32)
SPEC: dict[str, Any] = {
    "layerkit": 1,
    "input": {"shape": [4]},
    "layers": [
        {"type": "dense", "units": 4, "activation": "tanh"},
        {"type": "dense", "units": 2, "activation": "relu"},
        {"type": "dense", "units": 3},
    ],
    "output": {"link": "identity"},
}


def drawn(sizes: list[int], dtype: str = "float32") -> list[tuple[Array, Array]]:
    """W (inputs, outputs) and b of each layer."""
    rng = np.random.default_rng(2)
    pairs = pairwise(sizes)
    return [(rng.normal(size=s).astype(dtype), rng.normal(size=s[1]).astype(dtype)) for s in pairs]


def answers(layers: list[tuple[Array, Array]]) -> Array:
    """The network of SPEC, by hand."""
    (W1, b1), (W2, b2), (W3, b3) = layers
    y: Array = np.maximum(np.tanh(ROWS @ W1 + b1) @ W2 + b2, 0) @ W3 + b3
    return y


LAYERS = drawn([4, 4, 2, 3])


def stored(names: list[str]) -> dict[str, Array]:
    """As PyTorch stores them: a square matrix shows whether it was transposed."""
    found: dict[str, Array] = {}
    for name, (W, b) in zip(names, LAYERS, strict=True):
        found |= {f"{name}.weight": np.ascontiguousarray(W.T), f"{name}.bias": b}
    return found


def check(source: Any, spec: Any = SPEC, **how: Any) -> Any:
    return layerkit.import_weights(source, spec, prove_with=(ROWS, answers(LAYERS)), **how)


# ---- PyTorch


def test_numbers_of_a_sequential_tell_the_order() -> None:
    done = check(
        stored(["10", "2", "4"]), mapping={"dense_1": "10", "dense_2": "2", "dense_3": "4"}
    )
    assert done.proved.difference < 1e-6
    given = stored(["net.0", "net.2", "net.10"])
    done = check(dict(reversed(given.items())))
    assert done.notes[:2] == (
        "dense_1.W = net.0.weight, transposed from [4, 4] to [4, 4]",
        "dense_1.b = net.0.bias",
    )


@pytest.mark.parametrize("form", ["npz", "safetensors"])
def test_files(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"net.{form}"
    if form == "npz":
        np.savez(path, **stored(["0", "2", "4"]))  # type: ignore[arg-type]  # arrays by name
    else:
        pytest.importorskip("safetensors", reason="the extra safetensors is not installed")
        from safetensors.numpy import save_file

        save_file(stored(["0", "2", "4"]), path)
    assert check(path).proved.rows == 30


def test_a_real_state_dict() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    nn = torch.nn
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 3))
    with torch.no_grad():
        expected = net(torch.tensor(ROWS)).numpy()
    done = layerkit.import_weights(net.state_dict(), SPEC, prove_with=(ROWS, expected))
    assert done.proved is not None
    assert done.proved.difference < 1e-6
    with pytest.raises(WeightsError, match=r"0.weight: expected an array: .*detach"):
        layerkit.import_weights(dict(net.named_parameters()), SPEC)


@pytest.mark.parametrize("form", ["state_dict", "safetensors"])
def test_a_real_net_with_normalisations(form: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    nn = torch.nn
    net = nn.Sequential(
        nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(5, 5), nn.LayerNorm(5), nn.Mish(), nn.Linear(5, 3),
    )  # fmt: skip
    rule = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(20):
        rule.zero_grad()
        net(torch.tensor(ROWS) * 3 + 1).square().mean().backward()
        rule.step()
    net.eval()
    with torch.no_grad():
        expected = net(torch.tensor(ROWS)).numpy()
    spec = SPEC | {
        "layers": [
            {"type": "dense", "units": 5},
            {"type": "batchnorm"},
            {"type": "activation"},
            {"type": "dropout", "rate": 0.3},
            {"type": "dense", "units": 5},
            {"type": "layernorm"},
            {"type": "activation", "activation": "mish"},
            {"type": "dense", "units": 3},
        ]
    }
    source: Any = net.state_dict()
    if form == "safetensors":
        pytest.importorskip("safetensors", reason="the extra safetensors is not installed")
        from safetensors.torch import save_file

        source = tmp_path / "net.safetensors"
        save_file(net.state_dict(), source)
    done = layerkit.import_weights(source, spec, prove_with=(ROWS, expected))
    assert "batchnorm_1.var = 1.running_var" in done.notes
    assert done.notes[-1] == (
        "1.num_batches_tracked is left out: it counts batches, and no answer uses it"
    )
    assert done.model.tensors()["batchnorm_1.mean"].any()


def test_layers_named_as_in_the_source_need_no_map() -> None:
    layers = [{**layer, "name": n} for layer, n in zip(SPEC["layers"], "cab", strict=True)]
    given = stored(["c", "a", "b"])
    check(dict(sorted(given.items())), SPEC | {"layers": layers})
    with pytest.raises(TensorMismatchError) as caught:
        check(given | {"d.weight": np.zeros((2, 2), np.float32)}, SPEC | {"layers": layers})
    assert (caught.value.missing, caught.value.unexpected) == ((), ("d.weight",))


def test_convolutions_of_a_real_net() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 4, (3, 2)), nn.Flatten(),
        nn.Linear(4 * 4 * 5, 2),
    )  # fmt: skip
    rows = np.random.default_rng(3).normal(size=(9, 3, 6, 6)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.tensor(rows)).numpy()
    layers = [
        {"type": "conv2d", "filters": 3, "kernel": 3, "activation": "relu"},
        {"type": "conv2d", "filters": 4, "kernel": [3, 2], "padding": "valid"},
        {"type": "flatten"},
        {"type": "dense", "units": 2},
    ]
    spec = SPEC | {"input": {"shape": [3, 6, 6]}, "layers": layers}
    done = layerkit.import_weights(net.state_dict(), spec, prove_with=(rows, expected))
    assert done.notes[0] == "conv2d_1.W = 0.weight, transposed from [3, 3, 3, 3] to [3, 3, 3, 3]"

    line = nn.Conv1d(4, 4, 4)
    steps = rows.reshape(9, 27, 4)
    with torch.no_grad():
        expected = line(torch.tensor(steps).transpose(1, 2)).transpose(1, 2).numpy()
    layer = {"type": "conv1d", "filters": 4, "kernel": 4, "padding": "valid", "name": "line"}
    spec = SPEC | {"input": {"shape": [27, 4]}, "layers": [layer]}
    state = {f"line.{name}": tensor for name, tensor in line.state_dict().items()}
    layerkit.import_weights(state, spec, prove_with=(steps, expected))


@pytest.mark.parametrize("mapping", [None, {"embedding_1.E": "0.weight", "dense_1": "2"}])
def test_the_table_of_an_embedding_is_not_transposed(mapping: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Embedding(5, 5), torch.nn.Flatten(), torch.nn.Linear(15, 2))
    rows = np.random.default_rng(3).integers(0, 5, (20, 3))
    with torch.no_grad():
        expected = net(torch.tensor(rows)).numpy()
    layers = [
        {"type": "embedding", "size": 5, "units": 5},
        {"type": "flatten"},
        {"type": "dense", "units": 2},
    ]
    spec = SPEC | {"input": {"shape": [3]}, "layers": layers}
    done = layerkit.import_weights(
        net.state_dict(), spec, mapping=mapping, prove_with=(rows, expected)
    )
    assert "embedding_1.E = 0.weight" in done.notes


def test_what_layerkit_exports_comes_back(tmp_path: Path) -> None:
    model = layerkit.build(SPEC)
    layerkit.export(model, tmp_path / "net.npz")
    done = layerkit.import_weights(tmp_path / "net.npz", SPEC)
    assert done.notes == ()
    np.testing.assert_array_equal(done.model.predict(ROWS), model.predict(ROWS))


# ---- maps


def test_layers_and_tensors_by_a_map() -> None:
    given = stored(["fc1", "fc2", "out"])
    given["out.W"] = given.pop("out.weight").T
    given |= {"steps": np.zeros(1)}
    done = check(
        given,
        mapping={
            "dense_1": "fc1",
            "dense_2.W": {"name": "fc2.weight", "transpose": True},
            "dense_2.b": {"name": "fc2.bias", "transpose": True},  # one axis: nothing to do
            "dense_3": "out",
            "ignore": ["steps"],
        },
    )
    assert done.notes[-3:] == ("dense_3.W = out.W", "dense_3.b = out.bias", "steps is ignored")


def test_a_map_may_say_that_nothing_is_transposed() -> None:
    given = {name: array.T for name, array in stored(["a", "b", "c"]).items()}
    names = {
        f"dense_{k}.W": {"name": f"{n}.weight", "transpose": False} for k, n in enumerate("abc", 1)
    }
    check(given, mapping=names | {f"dense_{k}.b": f"{n}.bias" for k, n in enumerate("abc", 1)})


def test_names_that_tell_no_order_are_not_guessed() -> None:
    with pytest.raises(TensorMismatchError, match="do not tell the order") as caught:
        check(stored(["fc1", "fc2", "out"]))
    assert len(caught.value.missing) == len(caught.value.unexpected) == 6
    assert caught.value.hint is not None
    assert "from dense_1, dense_2, dense_3 to fc1, fc2, out" in caught.value.hint


def test_another_number_of_layers() -> None:
    spec = {**SPEC, "layers": SPEC["layers"][:2]}
    with pytest.raises(TensorMismatchError, match=r"the source has 3 layers .*, the spec 2"):
        check(stored(["0", "2", "4"]), spec)


def test_all_faults_at_once() -> None:
    given = stored(["fc1", "fc2", "out"])
    del given["fc1.bias"]
    given["out.weight"] = given["out.weight"][:2]
    given["fc2.bias"] = given["fc2.bias"].astype(np.int64)
    given["head.weight"] = np.zeros((2, 2), np.float32)
    with pytest.raises(TensorMismatchError) as caught:
        check(given, mapping={"dense_1": "fc1", "dense_2": "fc2", "dense_3": "out"})
    assert caught.value.missing == ("dense_1.b",)
    assert caught.value.unexpected == ("head.weight",)
    assert [name for name, _, _ in caught.value.mismatched] == ["dense_2.b", "dense_3.W"]


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"dense_9": "0"}, "the model has no layer or tensor 'dense_9'"),
        ({"dense_1": "zero"}, "the source has no layer 'zero'"),
        ({"dense_1.W": "0.weigth"}, "no tensor '0.weigth'; did you mean '0.weight'"),
        ({"dense_1": 3}, "'dense_1': expected a name or"),
        ({"dense_1.W": {"name": "0.weight", "flip": True}}, "expected a name or"),
        ({"ignore": "0.weight"}, "ignore: expected a list of names"),
        ({"ignore": ["none"]}, "the source has no tensor 'none'"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
def test_a_wrong_map(mapping: dict[str, Any], words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        check(stored(["0", "2", "4"]), mapping=mapping)


# ---- scikit-learn


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.filterwarnings("ignore:.*(iterations|converge)")
def test_an_mlp_of_scikit_learn(activation: str) -> None:
    net = pytest.importorskip("sklearn.neural_network", reason="scikit-learn is not installed")
    rows = ROWS.astype(np.float64)
    how = {
        "hidden_layer_sizes": (5, 3),
        "activation": activation,
        "max_iter": 15,
        "random_state": 0,
    }
    for labels in (np.where(rows[:, 0] > 0, "a", "b"), rows[:, 0].round().astype(int)):
        fitted = net.MLPClassifier(**how).fit(rows, labels)
        found = layerkit.import_weights(fitted, prove_with=(rows, fitted.predict_proba(rows)))
        assert found.model.spec.dtype == "float64"
        np.testing.assert_array_equal(found.model.classify(rows), fitted.predict(rows))
    for targets in (rows[:, 0], rows[:, :2]):
        fitted = net.MLPRegressor(**how).fit(rows, targets)
        layerkit.import_weights(fitted, prove_with=(rows, fitted.predict(rows)), within=1e-12)


@pytest.mark.filterwarnings("ignore:.*(iterations|converge)")
def test_what_of_scikit_learn_is_refused() -> None:
    net = pytest.importorskip("sklearn.neural_network", reason="scikit-learn is not installed")
    with pytest.raises(WeightsError, match="the MLPRegressor is not fitted"):
        layerkit.import_weights(net.MLPRegressor())
    several = net.MLPClassifier(max_iter=2).fit(ROWS, ROWS[:, :2] > 0)
    with pytest.raises(WeightsError, match="several labels"):
        layerkit.import_weights(several)
    with pytest.raises(WeightsError, match=r"object that an importer takes, got int"):
        layerkit.import_weights(3)


# ---- Keras


def written(
    layers: list[tuple[Array, Array]], change: Callable[[Any], None] | None = None
) -> bytes:
    """A file of weights as Keras 3 writes it."""
    h5py = pytest.importorskip("h5py", reason="the extra keras is not installed")
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        for number, (W, b) in enumerate(layers):
            name = f"dense_{number}" if number else "dense"
            group = made.create_group(f"layers/{name}/vars")
            group["0"], group["1"] = W, b
        made.create_group("layers/dropout/vars")
        made.create_group("optimizer/vars")["0"] = np.zeros(3)
        if change is not None:
            change(made)
    return file.getvalue()


def config(last: str = "linear", kind: str = "Sequential") -> dict[str, Any]:
    def layer(kind: str, name: str, after: str = "", **settings: Any) -> dict[str, Any]:
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [after, 0, 0]}}
        nodes: list[Any] = [{"args": [tensor], "kwargs": {}}] if after else []
        return {"class_name": kind, "config": {"name": name, **settings}, "inbound_nodes": nodes}

    return {
        "class_name": kind,
        "config": {
            "name": "sequential_3",
            "layers": [
                layer("InputLayer", "input_layer", batch_shape=[None, 4]),
                layer("Dense", "dense_7", "input_layer", units=4, activation="tanh", use_bias=True),
                layer("Dropout", "dropout_2", "dense_7", rate=0.5),
                layer("Dense", "dense_8", "dropout_2", units=2, activation="linear"),
                layer("Activation", "act", "dense_8", activation="relu"),
                layer("Dense", "dense_9", "act", units=3, activation=last),
            ],
        },
    }


def archive(path: Path, described: Any, weights: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("metadata.json", "{}")
        made.writestr("config.json", json.dumps(described))
        made.writestr("model.weights.h5", weights)
    return path


def test_a_file_that_keras_wrote() -> None:
    """Keras 3.15.1 wrote the file and gave the answers; gelu, leaky_relu, elu and softmax."""
    pytest.importorskip("h5py", reason="the extra keras is not installed")
    held = np.load(HERE / "keras-3.15.npz")
    given = held["rows"], held["answers"]
    done = layerkit.import_weights(HERE / "keras-3.15.keras", prove_with=given)
    types = [type(layer).type_name for layer in done.model.network.layers]
    assert types == ["dense", "dropout", "dense", "dense", "dense"]


def test_a_model_inside_a_model_wants_a_map(tmp_path: Path) -> None:
    def nest(made: Any) -> None:
        made.move("layers/dense_1", "layers/sequential/layers/dense")

    path = tmp_path / "net.weights.h5"
    path.write_bytes(written(LAYERS, nest))
    with pytest.raises(TensorMismatchError, match="do not tell the order"):
        check(path)
    check(path, mapping={
        "dense_1": "dense", "dense_2": "sequential.layers.dense", "dense_3": "dense_2"
    })  # fmt: skip


@pytest.mark.parametrize("kind", ["Sequential", "Functional"])
def test_a_keras_file_brings_its_architecture(kind: str, tmp_path: Path) -> None:
    done = check(archive(tmp_path / "net.keras", config(kind=kind), written(LAYERS)), None)
    assert done.model.name == "sequential_3"
    assert done.notes[0] == "dense_1.W = dense.kernel"
    assert done.model.spec.layers[1].config == {"rate": 0.5}


def normalised(path: Path, *, with_config: bool = True) -> tuple[Path, Array]:
    """Files in the layout of Keras 3, of a net with each kind of layer, and its answers."""
    h5py = pytest.importorskip("h5py", reason="the extra keras is not installed")
    rng = np.random.default_rng(5)
    (W1, b1), (W2, _), (W3, b3) = drawn([4, 6, 5, 2])
    first, second = ([*rng.uniform(0.5, 2, (k, n)).astype("f4")] for k, n in ((4, 6), (3, 5)))
    gamma, beta = rng.uniform(0.5, 2, (2, 5)).astype("f4")
    stored = {
        "dense": [W1, b1], "batch_normalization": first, "dropout": [], "dense_1": [W2],
        "batch_normalization_1": second, "layer_normalization": [gamma, beta], "dense_2": [W3, b3],
        "activation": [], "gaussian_noise": [], "re_lu": [],
    }  # fmt: skip
    described: list[tuple[str, dict[str, Any]]] = [
        ("InputLayer", {"batch_shape": [None, 4]}),
        ("Dense", {"units": 6, "activation": "linear"}),
        ("BatchNormalization", {"axis": -1, "momentum": 0.95, "epsilon": 0.01}),
        ("Activation", {"activation": "relu"}),
        ("Dropout", {"rate": 0.25, "seed": None, "noise_shape": None}),
        ("Dense", {"units": 5, "activation": "tanh", "use_bias": False}),
        ("BatchNormalization", {"axis": 1, "center": False}),
        ("GaussianNoise", {"stddev": 0.2}),
        ("LayerNormalization", {"axis": [-1], "epsilon": 0.5}),
        ("ReLU", {"max_value": 6, "negative_slope": 0.0, "threshold": 0.0}),
        ("Dense", {"units": 2, "activation": "linear"}),
    ]
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        for name, arrays in stored.items():
            group = made.create_group(f"layers/{name}/vars")
            for number, array in enumerate(arrays):
                group[str(number)] = array
        made.create_group("layers/dropout/seed_generator/vars")["0"] = np.array([1, 2], "u4")
    layers = [
        {"class_name": kind, "config": {"name": f"n{i}", **settings}}
        for i, (kind, settings) in enumerate(described)
    ]
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    if with_config:
        archive(path, config, file.getvalue())
    else:
        path.write_bytes(file.getvalue())
    z = (ROWS @ W1 + b1 - first[2]) / np.sqrt(first[3] + 0.01)
    z = np.tanh(np.maximum(z * first[0] + first[1], 0) @ W2)
    z = (z - second[1]) / np.sqrt(second[2] + 1e-3) * second[0]
    centred = z - z.mean(axis=1, keepdims=True)
    z = centred / np.sqrt(z.var(axis=1, keepdims=True) + 0.5) * gamma + beta
    return path, np.clip(z, 0, 6) @ W3 + b3


def test_normalisations_of_keras_come_with_their_running_figures(tmp_path: Path) -> None:
    path, expected = normalised(tmp_path / "net.keras")
    done = layerkit.import_weights(path, prove_with=(ROWS, expected))
    types = [type(layer).type_name for layer in done.model.network.layers]
    assert types == [
        *("dense", "batchnorm", "activation", "dropout", "dense", "batchnorm"),
        *("gaussian_noise", "layernorm", "activation", "dense"),
    ]
    config = done.model.spec.layers[1].config
    assert (config["momentum"], config["epsilon"]) == (0.95, 0.01)
    assert "batchnorm_2.var = batch_normalization_1.moving_variance" in done.notes
    assert done.notes[-1] == ("dropout.seed_generator.0, the state of a random stream, is left out")


def test_rows_of_several_axes_are_flattened_as_keras_does(tmp_path: Path) -> None:
    described = config()
    layers = described["config"]["layers"]
    layers[0]["config"]["batch_shape"] = [None, 2, 2]
    layers.insert(1, {"class_name": "Flatten", "config": {"name": "flat"}})
    done = check(archive(tmp_path / "net.keras", described, written(LAYERS)), None)
    assert done.model.spec.in_shape == (2, 2)
    layers[1]["config"]["data_format"] = "channels_first"
    path = archive(tmp_path / "net.keras", described, written(LAYERS))
    with pytest.raises(WeightsError, match="flat reorders its channels"):
        layerkit.import_weights(path)


def test_weights_alone_of_normalisations_want_a_map(tmp_path: Path) -> None:
    described, _ = normalised(tmp_path / "net.keras")
    spec = layerkit.import_weights(described).model.spec
    path, expected = normalised(tmp_path / "net.weights.h5", with_config=False)
    proof = ROWS, expected
    with pytest.raises(TensorMismatchError, match="do not tell the order"):
        layerkit.import_weights(path, spec, prove_with=proof)
    names = {
        "dense_1": "dense", "batchnorm_1": "batch_normalization", "dense_2": "dense_1",
        "batchnorm_2.gamma": "batch_normalization_1.0",  # three of four: the file does not tell
        "batchnorm_2.mean": "batch_normalization_1.1", "batchnorm_2.var": "batch_normalization_1.2",
        "layernorm_1.gamma": "layer_normalization.0", "layernorm_1.beta": "layer_normalization.1",
        "dense_3": "dense_2",
    }  # fmt: skip
    layerkit.import_weights(path, spec, mapping=names, prove_with=proof)


def test_softmax_and_sigmoid_become_links(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    scores = answers(LAYERS)
    soft = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    for last, expected in (("softmax", soft), ("sigmoid", 1 / (1 + np.exp(-scores)))):
        archive(path, config(last), written(LAYERS))
        layerkit.import_weights(path, prove_with=(ROWS, expected))


def test_weights_alone_want_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "net.weights.h5"
    path.write_bytes(written(LAYERS))
    check(path)
    with pytest.raises(WeightsError, match="does not tell its architecture") as caught:
        layerkit.import_weights(path)
    assert caught.value.hint is not None


def branched(described: dict[str, Any]) -> None:
    described["class_name"] = "Functional"
    described["config"]["layers"][3]["inbound_nodes"].append(
        {"args": [{"keras_history": ["x", 0, 0]}]}
    )


def put(index: int, **settings: Any) -> Callable[[dict[str, Any]], None]:
    def change(described: dict[str, Any]) -> None:
        layer = described["config"]["layers"][index]
        layer["class_name"] = settings.pop("kind", layer["class_name"])
        layer["config"].update(settings)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (branched, "dense_8 does not follow the layer before it alone"),
        (put(2, kind="GroupNormalization"), "dropout_2 is a GroupNormalization"),
        (put(2, kind="BatchNormalization", axis=[1, 2]), r"dropout_2 has the axis \[1, 2\]"),
        (put(2, kind="LayerNormalization", rms_scaling=True), "does not normalise the last axis"),
        (put(4, kind="ReLU", max_value=4), "act is a ReLU with limits"),
        (put(1, activation="celu"), "dense_7 has the activation 'celu'"),
        (put(1, activation="softmax"), "softmax at most at its end"),
        (put(0, batch_shape=[None, 7, 4]), r"rows have the shape \[7, 4\]"),
        (lambda described: described.clear(), "a form that is not known"),
    ],
    ids=[
        *("branch", "class", "axis", "scaling", "limits"),
        *("activation", "softmax", "rank", "empty"),
    ],
)
def test_an_unknown_architecture_wants_a_spec(
    change: Callable[[Any], None], words: str, tmp_path: Path
) -> None:
    described = config()
    change(described)
    path = archive(tmp_path / "net.keras", described, written(LAYERS))
    with pytest.raises(WeightsError, match=words):
        layerkit.import_weights(path)
    assert "its architecture is not used" in check(path).notes[-1]


# ---- files that are damaged, hostile or pickles


def bomb(path: Path, name: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("config.json", "{}")
        with made.open(name, "w", force_zip64=True) as entry:
            for _ in range(300):
                entry.write(bytes(1 << 20))


def an_object(path: Path) -> None:
    np.savez(path, a=np.array([{}], dtype=object))


def elsewhere(made: Any) -> None:
    import h5py

    made["layers/dense/vars/2"] = h5py.ExternalLink("other.h5", "/secret")


def all_elsewhere(made: Any) -> None:
    import h5py

    del made["layers"]
    made["layers"] = h5py.ExternalLink("other.h5", "/layers")


def words(made: Any) -> None:
    made["layers/dense/vars/2"] = ["text"]


def outside(made: Any) -> None:
    made["layers/dense/vars"].create_dataset("2", (4,), "f4", external=[("secret.raw", 0, 16)])


def huge(made: Any) -> None:
    made["layers/dense/vars"].create_dataset("2", (1 << 40,), "f4", chunks=(1 << 20,))


def round_and_round(made: Any) -> None:
    made["layers/again"] = made["layers"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (elsewhere, "layers/dense/vars/2: expected no link to elsewhere"),
        (all_elsewhere, "layers: expected no link to elsewhere"),
        (words, "dense.2: expected plain numbers"),
        (outside, "dense.2: expected plain numbers in the file itself"),
        (huge, "its weights claim 4,398,"),
        (round_and_round, "nested too deeply"),
    ],
    ids=["link", "root", "words", "external", "huge", "loop"],
)
def test_hostile_files_of_keras(change: Callable[[Any], None], words: str, tmp_path: Path) -> None:
    path = tmp_path / "net.weights.h5"
    path.write_bytes(written(LAYERS, change))
    with pytest.raises(WeightsError, match=words):
        check(path)


def test_damaged_and_hostile_archives(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    bomb(path, "a.npy")
    with pytest.raises(WeightsError, match=r"net.npz: its arrays claim 314,"):
        check(path)
    an_object(path)
    with pytest.raises(WeightsError, match="Object arrays cannot be loaded"):
        check(path)
    bomb(tmp_path / "net.keras", "model.weights.h5")
    with pytest.raises(WeightsError, match="its weights claim 314,"):
        check(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as made:
        made.writestr("config.json", "{}")
    with pytest.raises(WeightsError, match=r"without model\.weights\.h5"):
        check(tmp_path / "net.keras")


@pytest.mark.parametrize("name", ["net.npz", "net.safetensors", "net.keras", "net.h5"])
def test_damaged_files(name: str, tmp_path: Path) -> None:
    if name.endswith(".safetensors"):
        pytest.importorskip("safetensors", reason="the extra safetensors is not installed")
    for raw in (b"", b"PK\x03\x04" + bytes(40), b"\xff" * 100, (1 << 50).to_bytes(8, "little")):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(WeightsError, match=f"{name}: the file is damaged"):
            check(tmp_path / name)


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.PKL", "net.joblib"])
def test_pickles_are_not_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not read") as caught:
        check(tmp_path / name)
    assert caught.value.hint is not None
    assert ("safetensors.torch" in caught.value.hint) == name.startswith("net.pt")


def test_the_line_that_writes_safetensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("safetensors", reason="the extra safetensors is not installed")
    path = tmp_path / 'it\'s a "net".pt'
    torch.save({n: torch.tensor(a) for n, a in stored(["0", "2", "4"]).items()}, path)
    with pytest.raises(WeightsError) as caught:
        check(path)
    command = shlex.split(str(caught.value.hint).partition("trust it: ")[2])
    subprocess.run([sys.executable, *command[1:]], check=True)
    check(path.with_suffix(".safetensors"))


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "net.txt").write_text("")
    with pytest.raises(WeightsError, match=r"\.npz.*got '\.txt'"):
        check(tmp_path / "net.txt")
    with pytest.raises(FileNotFoundError):
        check(tmp_path / "none.npz")


# ---- proof


def test_other_answers_are_told() -> None:
    wrong = answers(LAYERS)
    wrong[7, 1] += 1e-3
    with pytest.raises(WeightsError, match="row 7: expected"):
        layerkit.import_weights(stored(["0", "2", "4"]), SPEC, prove_with=(ROWS, wrong))
    wrong[9, 1] = np.nan
    with pytest.raises(WeightsError, match="row 9: expected"):
        layerkit.import_weights(stored(["0", "2", "4"]), SPEC, prove_with=(ROWS, wrong), within=1)
    for bad, words in ((wrong[:3], "shape"), ([["a"] * 3] * 30, "numbers")):
        with pytest.raises(DataError, match=words):
            layerkit.import_weights(stored(["0", "2", "4"]), SPEC, prove_with=(ROWS, bad))


def test_rounding_is_told() -> None:
    given = {name: array.astype(np.float64) for name, array in stored(["0", "2", "4"]).items()}
    assert check(given).notes[1] == "dense_1.b = 0.bias, rounded from float64 to float32"
    assert isinstance(check(given).model, Model)
