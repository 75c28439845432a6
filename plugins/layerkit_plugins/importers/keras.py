"""Keras 3: ``.keras`` and ``.weights.h5``, read by h5py without Keras."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from layerkit import Array, Importer, MissingExtraError, Weights, WeightsError

__all__ = ["Keras"]

_SMALL, _RATIO = 256 << 20, 20  # bytes; weights hardly shrink when they are compressed
_CONFIG, _DEPTH = 16 << 20, 8
_DENSE = re.compile(r"dense(?:_(\d+))?")
_NAMES = {"0": "kernel", "1": "bias"}
_ACTIVATIONS = {
    "linear": "linear", "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "elu": "elu",
    "selu": "selu", "gelu": "gelu", "silu": "silu", "swish": "silu", "softplus": "softplus",
    "leaky_relu": {"type": "leaky_relu", "slope": 0.2},
}  # fmt: skip
_ONLY_TRAINING = ("Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout")


class Keras(Importer):
    """Models and weights of Keras 3; where all layers are dense, with the architecture.

    Dropout and other layers that only training needs are left out, and the optimizer's state.

    Source: keras/src/saving/saving_lib.py, which keeps the variables of a layer in the order in
    which they were made under layers/NAME/vars, NAME being its class with a number.
    """

    type_name = "keras"
    extensions = (".keras", ".h5")

    def weights(self, source: BinaryIO) -> Weights:
        """Variables by layer, in the order of the network, and the architecture.

        Raises
        ------
        WeightsError
            If the file is one of Keras 2, refers to other files or claims far more than it holds.
        MissingExtraError
            If h5py is not installed.
        """
        config = None
        if zipfile.is_zipfile(source):
            config, source = _unpacked(source)
        tensors = _tensors(source)
        layers = _ordered(tensors)
        if config is None:
            return Weights(tensors, layers)
        try:
            spec, notes = _spec(config, tensors)
        except _Unknown as reason:
            return Weights(tensors, layers, notes=[f"its architecture is not used: {reason}"])
        return Weights(tensors, layers, spec, notes)


class _Unknown(Exception):  # noqa: N818  # says why there is no spec
    """An architecture that no spec here describes."""


def _unpacked(source: BinaryIO) -> tuple[Any, BinaryIO]:
    """The configuration and the file of weights in an archive."""
    with zipfile.ZipFile(source) as archive:
        names = set(archive.namelist())
        missing = {"config.json", "model.weights.h5"} - names
        if missing:
            raise WeightsError(f"an archive without {' and '.join(sorted(missing))}")
        config, weights = archive.getinfo("config.json"), archive.getinfo("model.weights.h5")
        _check_size(weights.file_size, weights.compress_size)
        if config.file_size > _CONFIG:
            raise WeightsError(f"its config.json claims {config.file_size:,} bytes")
        return json.loads(archive.read(config)), io.BytesIO(archive.read(weights))


def _check_size(claimed: int, packed: int) -> None:
    if claimed > max(_SMALL, _RATIO * packed):
        raise WeightsError(f"its weights claim {claimed:,} bytes, in {packed:,} bytes of a file")


def _tensors(source: BinaryIO) -> dict[str, Array]:
    """Layer and variable, such as "dense_1.kernel", to array."""
    try:
        import h5py
    except ImportError as cause:
        raise MissingExtraError("h5py", "keras", "reading weights of Keras") from cause
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    found: dict[str, Array] = {}
    with h5py.File(source, "r") as file:
        link = file.get("layers", getlink=True)
        if link is None:
            raise WeightsError(
                "it has no group 'layers', as files of Keras 3 have",
                hint="load it with Keras 3 and save it as .keras",
            )
        if not isinstance(link, h5py.HardLink):
            raise WeightsError("layers: expected no link to elsewhere")
        claimed = 0
        for name, data in _datasets(file, ["layers"], h5py):
            claimed += int(data.nbytes)
            _check_size(claimed, size)
            plain = data.dtype.kind in "fiu" and "dtype" not in data.attrs  # bfloat16 says so there
            if data.external or data.is_virtual or not plain:
                raise WeightsError(f"{name}: expected plain numbers in the file itself")
            found[_renamed(name)] = np.asarray(data[()])
    return found


def _datasets(file: Any, path: list[str], h5py: Any) -> Iterator[tuple[str, Any]]:
    """All datasets below ``path`` by the names of their groups; links to elsewhere are refused."""
    if len(path) > _DEPTH:
        raise WeightsError("its groups are nested too deeply")
    group = file["/".join(path)]
    for key in group:
        name = [*path, key]
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise WeightsError(f"{'/'.join(name)}: expected no link to elsewhere")
        if isinstance(group[key], h5py.Dataset):
            yield ".".join(part for part in name[1:] if part != "vars"), group[key]
        else:
            yield from _datasets(file, name, h5py)


def _renamed(name: str) -> str:
    layer, _, variable = name.rpartition(".")
    dense = _DENSE.fullmatch(layer.rpartition(".")[2])
    return f"{layer}.{_NAMES.get(variable, variable)}" if dense else name


def _ordered(tensors: Mapping[str, Array]) -> list[str] | None:
    """The layers in the order of the network, which names tell where all are dense."""
    numbers = {}
    for layer in {name.rpartition(".")[0] for name in tensors}:
        found = _DENSE.fullmatch(layer)
        if found is None:
            return None
        numbers[layer] = int(found[1] or 0)
    return sorted(numbers, key=numbers.__getitem__)


def _spec(config: Any, tensors: Mapping[str, Array]) -> tuple[dict[str, Any], list[str]]:
    """The architecture of dense layers in a row, and what of it is left out."""
    layers: list[dict[str, Any]] = []
    notes: list[str] = []
    for kind, name, settings in _chain(config):
        if kind == "Dense":
            layers.append({
                "type": "dense", "units": settings["units"],
                "activation": _function(settings.get("activation"), name),
                "use_bias": settings.get("use_bias", True),
            })  # fmt: skip
        elif kind == "Activation" and layers and layers[-1]["activation"] == "linear":
            layers[-1]["activation"] = _function(settings.get("activation"), name)
        elif kind in _ONLY_TRAINING:
            notes.append(f"{name} ({kind}) only acts in training and is left out")
        elif kind == "InputLayer" and len(settings.get("batch_shape", [None, None])) != 2:
            raise _Unknown(f"its rows have the shape {settings['batch_shape'][1:]}")
        elif kind != "InputLayer":
            raise _Unknown(f"{name} is a {kind}")
    first = tensors.get("dense.kernel")
    if not layers or first is None or any(one["activation"] == "softmax" for one in layers[:-1]):
        raise _Unknown("it is no row of dense layers with softmax at most at its end")
    link = {"softmax": "softmax", "sigmoid": "sigmoid"}.get(str(layers[-1]["activation"]))
    if link is not None:
        layers[-1]["activation"] = "linear"
    named = str(config["config"].get("name", ""))
    return {
        "layerkit": 1,
        "name": named if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", named) else "keras",
        "dtype": "float64" if first.dtype == np.float64 else "float32",
        "input": {"shape": [first.shape[0]]},
        "layers": layers,
        "output": {"link": link or "identity"},
    }, notes


def _chain(config: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Class, name and settings of the layers of a model that is one row of them."""
    try:
        kind, layers = config["class_name"], config["config"]["layers"]
        before: list[str] = []
        for layer in layers:
            name = layer["config"]["name"]
            if kind != "Sequential" and _histories(layer.get("inbound_nodes", [])) != before:
                raise _Unknown(f"{name} does not follow the layer before it alone")
            before = [name]
            yield layer["class_name"], name, layer["config"]
    except (KeyError, TypeError, AttributeError) as cause:
        raise _Unknown("it is of a form that is not known here") from cause


def _histories(node: Any) -> list[str]:
    """The layers that a node of the configuration refers to."""
    if isinstance(node, Mapping):
        if "keras_history" in node:
            return [node["keras_history"][0]]
        node = list(node.values())
    if isinstance(node, Sequence) and not isinstance(node, str):
        return [name for item in node for name in _histories(item)]
    return []


def _function(given: Any, name: str) -> Any:
    if given == "softmax":
        return given  # the end of the network, or nothing
    if not isinstance(given, str) or given not in _ACTIVATIONS:
        raise _Unknown(f"{name} has the activation {given!r}")
    return _ACTIVATIONS[given]
