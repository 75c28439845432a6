"""Keras 3: ``.keras`` and ``.weights.h5``, read by h5py without Keras.

Keras stores the variables of a layer under its class in snake case with a number, counted in the
order of the network, and by their own numbers in the order in which they were made: those that are
trained, then the others.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from layerkit import Array, Importer, MissingExtraError, Weights, WeightsError

__all__ = ["Keras"]

_SMALL, _RATIO = 256 << 20, 20  # bytes; weights hardly shrink when they are compressed
_CONFIG, _DEPTH = 16 << 20, 8
_DENSE = re.compile(r"dense(?:_(\d+))?")
_NORM = re.compile(r"batch_normalization(?:_\d+)?")
_NAMES = ("kernel", "bias")
_NORM_NAMES = ("gamma", "beta", "moving_mean", "moving_variance")
_ACTIVATIONS = {
    "linear": "linear", "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "elu": "elu",
    "selu": "selu", "gelu": "gelu", "silu": "silu", "swish": "silu", "softplus": "softplus",
    "leaky_relu": {"type": "leaky_relu", "slope": 0.2}, "mish": "mish", "softsign": "softsign",
    "hard_sigmoid": "hard_sigmoid", "relu6": "relu6",
}  # fmt: skip
_ONLY_TRAINING = ("GaussianDropout", "AlphaDropout")

_Record = dict[str, Any]
_Settings = Mapping[str, Any]


class Keras(Importer):
    """Models and weights of Keras 3; of layers in a row of known kinds with the architecture.

    These are dense layers, activations, normalisations, dropout and noise. The state of the
    optimizer and those of random streams are left out.

    Source: keras/src/saving/saving_lib.py and keras/src/layers/layer.py of Keras 3.
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
        tensors, notes = _tensors(source)
        if config is not None:
            try:
                found = _architecture(config, tensors)
            except _UnknownError as reason:
                notes.append(f"its architecture is not used: {reason}")
            else:
                renamed = _renamed(tensors, found.variables)
                return Weights(renamed, list(found.variables), found.spec, notes + found.notes)
        return Weights(_renamed(tensors, _guessed(tensors)), _ordered(tensors), notes=notes)


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


def _tensors(source: BinaryIO) -> tuple[dict[str, Array], list[str]]:
    """Layer and number of a variable, such as "dense_1.0", to array; what is left out."""
    try:
        import h5py
    except ImportError as cause:
        raise MissingExtraError("h5py", "keras", "reading weights of Keras") from cause
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    found: dict[str, Array] = {}
    notes: list[str] = []
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
            if ".seed_generator." in name:
                notes.append(f"{name}, the state of a random stream, is left out")
            else:
                found[name] = np.asarray(data[()])
    return found, notes


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


def _renamed(
    tensors: Mapping[str, Array], variables: Mapping[str, Sequence[str]]
) -> dict[str, Array]:
    """``tensors`` with the names of variables in place of their numbers, by layer."""
    names = {f"{k}.{i}": f"{k}.{name}" for k, v in variables.items() for i, name in enumerate(v)}
    return {names.get(name, name): array for name, array in tensors.items()}


def _guessed(tensors: Mapping[str, Array]) -> dict[str, tuple[str, ...]]:
    """The names of variables where a file of weights alone tells them: by class and number."""
    found: dict[str, tuple[str, ...]] = {}
    for layer in {name.rpartition(".")[0] for name in tensors}:
        kind = layer.rpartition(".")[2]
        if _DENSE.fullmatch(kind):
            found[layer] = _NAMES
        elif _NORM.fullmatch(kind) and f"{layer}.3" in tensors:  # it has all four
            found[layer] = _NORM_NAMES
    return found


def _ordered(tensors: Mapping[str, Array]) -> list[str] | None:
    """The layers in the order of the network, which names tell where all are dense."""
    numbers = {}
    for layer in {name.rpartition(".")[0] for name in tensors}:
        found = _DENSE.fullmatch(layer)
        if found is None:
            return None
        numbers[layer] = int(found[1] or 0)
    return sorted(numbers, key=numbers.__getitem__)


class _UnknownError(Exception):
    """An architecture that no spec here describes."""


class _Architecture(NamedTuple):
    """A network of Keras.

    Parameters
    ----------
    spec
        The same network here.
    variables
        Names of the variables by the layer they are stored under, in the order of the network.
    notes
        What is left out.
    """

    spec: _Record
    variables: dict[str, list[str]]
    notes: list[str]


def _architecture(config: Any, tensors: Mapping[str, Array]) -> _Architecture:
    """The network that a configuration describes, whose variables are ``tensors``.

    Raises
    ------
    _UnknownError
        If it is none of layers in a row, or of one that is not known here.
    """
    layers: list[_Record] = []
    notes: list[str] = []
    variables: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    shape: list[int] | None = None
    for kind, name, settings in _chain(config):
        stored = _snake_case(kind)
        number = counts[stored] = counts.get(stored, -1) + 1
        if kind == "InputLayer":
            shape = list(settings.get("batch_shape", [None])[1:])
        elif kind in _ONLY_TRAINING or (kind == "Dropout" and settings.get("noise_shape")):
            notes.append(f"{name} ({kind}) only acts in training and is left out")
        elif kind in _LAYERS:
            made = _LAYERS[kind](settings, name)
            if not _joined(layers, made):
                layers.append(made)
            if names := _VARIABLES.get(kind, _none)(settings):
                variables[f"{stored}_{number}" if number else stored] = names
        else:
            raise _UnknownError(f"{name} is a {kind}")
    return _Architecture(_spec(config, layers, shape, variables, tensors), variables, notes)


def _spec(
    config: Any,
    layers: list[_Record],
    shape: list[int] | None,
    variables: dict[str, list[str]],
    tensors: Mapping[str, Array],
) -> _Record:
    """The spec of a row of layers; softmax or a sigmoid at its end becomes the link."""
    inner = [one.get("activation") for one in layers[:-1]]
    if not variables or "softmax" in inner:
        raise _UnknownError("it is no row of dense layers with softmax at most at its end")
    first = tensors.get(f"{next(iter(variables))}.0")
    if shape is None and first is not None and layers[0]["type"] == "dense":
        shape = [first.shape[0]]
    if first is None or not shape or not all(type(size) is int for size in shape):
        raise _UnknownError(f"its rows have the shape {shape}")
    if layers[0]["type"] == "dense" and len(shape) != 1:  # which Keras applies to the last axis
        raise _UnknownError(f"its rows have the shape {shape}")
    last = layers[-1].get("activation")
    link = {"softmax": "softmax", "sigmoid": "sigmoid"}.get(str(last))
    if link is not None and layers[-1]["type"] == "activation":
        layers.pop()
    elif link is not None:
        layers[-1]["activation"] = "linear"
    named = str(config["config"].get("name", ""))
    return {
        "layerkit": 1,
        "name": named if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", named) else "keras",
        "dtype": "float64" if first.dtype == np.float64 else "float32",
        "input": {"shape": shape},
        "layers": layers,
        "output": {"link": link or "identity"},
    }


def _joined(layers: list[_Record], made: _Record) -> bool:
    """Whether ``made`` is an activation that the linear layer before it now has."""
    if made["type"] != "activation" or not layers or layers[-1].get("activation") != "linear":
        return False
    layers[-1]["activation"] = made["activation"]
    return True


def _dense(settings: _Settings, name: str) -> _Record:
    return {
        "type": "dense",
        "units": settings["units"],
        "activation": _function(settings.get("activation"), name),
        "use_bias": settings.get("use_bias", True),
    }


def _activation(settings: _Settings, name: str) -> _Record:
    return {"type": "activation", "activation": _function(settings.get("activation"), name)}


def _relu(settings: _Settings, name: str) -> _Record:
    least, most = settings.get("threshold", 0), settings.get("max_value")
    known = {None: "relu", 6: "relu6"}
    if least or settings.get("negative_slope", 0) or most not in known:
        raise _UnknownError(f"{name} is a ReLU with limits that are not known here")
    return {"type": "activation", "activation": known[most]}


def _leaky_relu(settings: _Settings, name: str) -> _Record:
    slope = settings.get("negative_slope", 0.3)
    return {"type": "activation", "activation": {"type": "leaky_relu", "slope": slope}}


def _batchnorm(settings: _Settings, name: str) -> _Record:
    axis = _one_axis(settings, name)
    return {
        "type": "batchnorm",
        "axis": axis - 1 if axis > 0 else axis,  # Keras counts the batch too
        "momentum": settings.get("momentum", 0.99),
        "epsilon": settings.get("epsilon", 1e-3),
        "scale": settings.get("scale", True),
        "center": settings.get("center", True),
    }


def _layernorm(settings: _Settings, name: str) -> _Record:
    if _one_axis(settings, name) != -1 or settings.get("rms_scaling"):
        raise _UnknownError(f"{name} does not normalise the last axis by its variance")
    return {
        "type": "layernorm",
        "epsilon": settings.get("epsilon", 1e-3),
        "scale": settings.get("scale", True),
        "center": settings.get("center", True),
    }


def _flatten(settings: _Settings, name: str) -> _Record:
    if settings.get("data_format") == "channels_first":  # Keras then moves the channels to the end
        raise _UnknownError(f"{name} reorders its channels")
    return {"type": "flatten"}


def _one_axis(settings: _Settings, name: str) -> int:
    """The axis of a normalisation, counting the batch or from the end."""
    axis = settings.get("axis", -1)
    if isinstance(axis, list) and len(axis) == 1:
        axis = axis[0]
    if type(axis) is not int or axis == 0:
        raise _UnknownError(f"{name} has the axis {axis!r}")
    return axis


def _none(settings: _Settings) -> list[str]:
    return []


def _scales(settings: _Settings) -> list[str]:
    return [name for name, has in (("gamma", "scale"), ("beta", "center")) if settings.get(has, 1)]


_LAYERS: dict[str, Callable[[_Settings, str], _Record]] = {
    "Dense": _dense,
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "Softmax": lambda settings, name: {"type": "activation", "activation": "softmax"},
    "BatchNormalization": _batchnorm,
    "LayerNormalization": _layernorm,
    "Dropout": lambda settings, name: {"type": "dropout", "rate": settings["rate"]},
    "GaussianNoise": lambda settings, name: {
        "type": "gaussian_noise", "stddev": settings["stddev"],
    },
    "Flatten": _flatten,
}  # fmt: skip
"""The layer here, by the class of Keras."""

_VARIABLES: dict[str, Callable[[_Settings], list[str]]] = {
    "Dense": lambda settings: [*_NAMES[: 1 + bool(settings.get("use_bias", True))]],
    "BatchNormalization": lambda settings: [*_scales(settings), *_NORM_NAMES[2:]],
    "LayerNormalization": _scales,
}
"""The names of its variables in the order in which Keras stores them."""


def _chain(config: Any) -> Iterator[tuple[str, str, _Settings]]:
    """Class, name and settings of the layers of a model that is one row of them."""
    try:
        kind, layers = config["class_name"], config["config"]["layers"]
        before: list[str] = []
        for layer in layers:
            name = layer["config"]["name"]
            if kind != "Sequential" and _histories(layer.get("inbound_nodes", [])) != before:
                raise _UnknownError(f"{name} does not follow the layer before it alone")
            before = [name]
            yield layer["class_name"], name, layer["config"]
    except (KeyError, TypeError, AttributeError, ValueError) as cause:
        raise _UnknownError("it is of a form that is not known here") from cause


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
        raise _UnknownError(f"{name} has the activation {given!r}")
    return _ACTIVATIONS[given]


def _snake_case(name: str) -> str:
    """As keras/src/utils/naming.py does it."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
