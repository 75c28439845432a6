"""Exporting: a model in another form, perhaps verified against ``predict``, written as one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from layerkit.codec.atomic import replace_bytes
from layerkit.core.context import Array
from layerkit.core.parts import Exporter
from layerkit.datacontract import as_rows, at_source
from layerkit.discovery.registry import EXPORTERS
from layerkit.display import quoted
from layerkit.errors import ExportError
from layerkit.exporting.program_of import program_of
from layerkit.file.selftest import make_selftest
from layerkit.model import Model
from layerkit.paths import expanded, path_errors
from layerkit.predict import RawRows

_WRONG = {"float32": 1e-3, "float64": 1e-9}
"""Largest difference that rounding can explain, as a share of the largest output."""


class Verified(NamedTuple):
    """How far the written form is from ``predict``.

    Parameters
    ----------
    rows
        How many were compared.
    difference
        The largest, absolute.
    output
        The largest output, absolute.
    """

    rows: int
    difference: float
    output: float


class Exported(NamedTuple):
    """What ``export`` wrote.

    Parameters
    ----------
    path
        Of the file.
    form
        The exporter's name.
    size
        Bytes.
    verified
        None where not asked for.
    """

    path: Path
    form: str
    size: int
    verified: Verified | None


def export(
    model: Model,
    target: str | os.PathLike[str],
    *,
    to: str | None = None,
    verify: RawRows | bool = False,
) -> Exported:
    """Write a model in another form.

    Parameters
    ----------
    model
        Ready to predict.
    target
        The file to write, all of it or nothing.
    to
        Name of an exporter, such as "onnx"; by default the one whose extension ``target`` has.
    verify
        Raw rows, or True for rows drawn from the range of training: the form is run on them and
        compared with ``predict`` before the file is written.

    Returns
    -------
    Exported
        With the largest difference, if verified.

    Raises
    ------
    ExportError
        If the form does not have an operation of the model, cannot be run here to verify it, or
        gives other numbers than rounding explains.
    DataError
        If the model is not trained, or the rows do not keep its contract.
    PluginError, MissingExtraError
        If the exporter, or a library that it needs, cannot be used.
    PathError
        If the file cannot be written.
    """
    model.check_whole("exported")
    path = Path(expanded(os.fspath(target)))
    form = to or _by_extension(path)
    exporter: Exporter = EXPORTERS.create(form)
    content = exporter.content(program_of(model))
    verified = None
    if verify is not False:
        rows = _own_rows(model) if verify is True else _numbers(model, verify)
        verified = _verified(model, exporter, content, rows)
    with path_errors(str(path), writing=True):
        replace_bytes(path, content)
    return Exported(path, form, len(content), verified)


def _by_extension(path: Path) -> str:
    usable = EXPORTERS.usable().items()
    known = {part.extension: name for name, part in usable if hasattr(part, "extension")}
    if path.suffix not in known:
        raise ExportError(
            f"the form of {quoted(path.name)} is not known by its name",
            hint=f"give it: --to, to= ({', '.join(known.values())})",
        )
    return known[path.suffix]


def _own_rows(model: Model) -> Array:
    test = make_selftest(model)
    if test is None:
        raise ExportError("rows of this model are too large to be drawn: give rows to verify with")
    return test.rows


def _numbers(model: Model, rows: RawRows) -> Array:
    given = as_rows(rows)
    with at_source(given):
        model.contract.input.matrix(given)  # refuses what predict refuses
        return model.contract.input.raw(given)


def _verified(model: Model, exporter: Exporter, content: bytes, rows: Array) -> Verified:
    raw = rows.astype(model.contract.input.raw_dtype)
    expected = model.predict(model.contract.input.given_back(raw)).astype(np.float64)
    try:
        found = exporter.run(content, raw)
    except NotImplementedError as cause:
        name = type(exporter).type_name
        raise ExportError(f"{name} cannot be verified here: {cause}") from cause
    if len(found) != len(expected) or found.size != expected.size:
        raise ExportError(f"expected predictions {expected.shape}, got {found.shape}")
    found = found.reshape(expected.shape)
    away = np.abs(found.astype(np.float64) - expected)
    difference, output = float(np.max(away, initial=0)), float(np.max(np.abs(expected), initial=0))
    if not difference <= _WRONG[model.spec.dtype] * max(output, 1e-30):
        row = int(away.reshape(len(away), -1).max(axis=1).argmax())
        raise ExportError(
            f"row {row}: the written form gives {found[row].tolist()}, predict "
            f"{expected[row].tolist()}; no file was written"
        )
    return Verified(len(rows), difference, output)
