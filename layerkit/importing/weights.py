"""Importing: weights of another library, held against a spec, as a model."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array
from layerkit.core.parts import Importer, Weights
from layerkit.discovery.registry import IMPORTERS
from layerkit.display import quoted
from layerkit.errors import LayerkitError, WeightsError
from layerkit.importing.pairing import paired
from layerkit.importing.proof import Proved, prove
from layerkit.model import Model, build
from layerkit.paths import expanded, open_input
from layerkit.predict import RawRows
from layerkit.specs import Spec

_TO_SAFETENSORS = (
    "it is a pickle, which can run any program when it is read. Write the weights as safetensors, "
    "once, where you trust it: python -c {line}"
)
_LINE = (
    "import torch; from safetensors.torch import save_file; "
    'save_file(torch.load({0}, map_location="cpu", weights_only=True), {1})'
)
_TO_OBJECT = (
    "it is a pickle, which can run any program when it is read. Load it yourself, if you trust it, "
    "and give the object: layerkit.import_weights(estimator)"
)
_REFUSED = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin"), _TO_SAFETENSORS),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), _TO_OBJECT),
}


class Imported(NamedTuple):
    """What ``import_weights`` gives.

    Parameters
    ----------
    model
        With the weights.
    notes
        Lines that say where each tensor is from, what was transposed or rounded, and what of the
        source is not used.
    proved
        None where not asked for.
    """

    model: Model
    notes: tuple[str, ...]
    proved: Proved | None


def import_weights(
    source: Any,
    spec: str | Path | Mapping[str, Any] | Spec | None = None,
    *,
    mapping: Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    prove_with: tuple[RawRows, Any] | None = None,
    within: float = 1e-6,
) -> Imported:
    """Make a model with the weights of another library.

    Parameters
    ----------
    source
        The path of a file that an installed importer reads, such as safetensors, npz or ``.keras``;
        arrays by name, such as a state_dict; or a fitted MLP of scikit-learn.
    spec
        As for ``build``; None if the source tells its architecture, as Keras and scikit-learn do.
    mapping
        Names of the source by those of the model, for layers ({"dense_1": "fc1"}) or tensors
        ({"dense_1.W": "fc1.weight"}), and under "ignore" a list of those to leave out. A tensor may
        be {"name": ..., "transpose": true}; by default what is called ``weight`` is transposed,
        since PyTorch stores (outputs, inputs, ...), unless it is a table of an embedding. Without a
        mapping, names of tensors or layers must be equal, or tell the order of the layers.
    settings
        Overrides of fields of the spec.
    prove_with
        Raw rows, and the answers (n, k) that the source gives for them.
    within
        Largest difference to them, times the largest answer if that is above 1.

    Returns
    -------
    Imported
        With notes on what was done.

    Raises
    ------
    WeightsError
        If the source cannot be read, the mapping names what is not there, or an answer differs.
    TensorMismatchError
        If tensors are missing, left over or of another shape; it names all of them.
    SpecError, PluginError, MissingExtraError
        If the spec is wrong, or a part or library that it needs cannot be used.
    DataError
        If the model cannot predict the rows to prove it with.
    PathError
        If the file cannot be read.
    """
    weights = _weights(source)
    given = weights.spec if spec is None else spec
    if given is None:
        raise WeightsError(
            "; ".join(weights.notes) or "the source does not tell its architecture",
            hint="describe it as a spec: --spec SPEC, spec=",
        )
    model = build(given, settings=settings)
    found = paired(weights, model.tensors(), mapping)
    model.set_tensors(found.tensors)
    proved = None if prove_with is None else prove(model, *prove_with, within)
    return Imported(model, (*found.notes, *weights.notes), proved)


def _weights(source: Any) -> Weights:
    if isinstance(source, Mapping):
        return Weights({str(name): _array(name, array) for name, array in source.items()})
    if isinstance(source, (str, os.PathLike)):
        return _read(Path(expanded(os.fspath(source))))
    for part in IMPORTERS.usable().values():
        importer = part()
        if importer.takes(source):
            return importer.weights(source)
    raise WeightsError(
        f"expected a path, arrays by name or an object that an importer takes, got "
        f"{type(source).__name__}"
    )


def _array(name: object, given: Any) -> Array:
    try:
        found: Array = np.asarray(given)
    except Exception as cause:  # a library's own conversion may raise anything
        raise WeightsError(f"{name}: expected an array: {cause}") from cause
    return found


def _read(path: Path) -> Weights:
    if path.suffix.lower() in _REFUSED:
        names = (json.dumps(str(name)) for name in (path, path.with_suffix(".safetensors")))
        advice = _REFUSED[path.suffix.lower()].format(line=shlex.quote(_LINE.format(*names)))
        raise WeightsError(f"{path} is not read", hint=advice)
    known = {e: name for name, part in IMPORTERS.usable().items() for e in part.extensions}
    with open_input(str(path)) as file:
        if path.suffix.lower() not in known:
            raise WeightsError(
                f"{path}: expected a file of weights ({', '.join(sorted(known))}), got "
                f"{quoted(path.suffix or path.name)}"
            )
        importer: Importer = IMPORTERS.create(known[path.suffix.lower()])
        try:
            return importer.weights(file)
        except LayerkitError as error:
            if isinstance(error, WeightsError):
                error.args = (f"{path}: {error.message}",)
                error.message = error.args[0]
            raise
        except Exception as cause:
            text = str(cause).partition("\n")[0] or type(cause).__name__
            raise WeightsError(f"{path}: the file is damaged: {text}") from cause
