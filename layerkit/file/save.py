"""Saving a model to a file."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

import numpy as np

from layerkit.codec import Limits, tensor_digests, write
from layerkit.file.fingerprint import file_spec, fingerprint_of
from layerkit.file.provenance import provenance
from layerkit.file.selftest import make_selftest
from layerkit.model import Model
from layerkit.paths import expanded
from layerkit.specs import check_sections


def save(
    model: Model,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    weights_only: bool = False,
    durable: bool = True,
    overwrite: bool = True,
    follow_symlinks: bool = True,
    atomic: bool = True,
    check: bool = False,
    limits: Limits | None = None,
) -> str:
    """Write ``model`` to a file; equal models give equal bytes.

    Parameters
    ----------
    model
        Trained or not.
    target
        A path or a URL (``memory://``, ``s3://``, ...), replaced in one step, so that the old file
        stays until the new one is complete; or a binary file object, written forward.
    weights_only
        Leave out optimizer state and history, which only training needs.
    durable
        Flush the bytes to the disk before the old file is replaced.
    overwrite
        If False, raise FileExistsError if the file exists.
    follow_symlinks
        Replace the file that a symbolic link points to, in its own folder. If False, replace the
        link itself: for folders in which others may place links.
    atomic
        If False, allow a URL on a file system that cannot replace a file in one step.
    check
        Read back and verify the file before it replaces the old one.
    limits
        The limits of the readers that are to load the file.

    Returns
    -------
    str
        The file id, ``sha256:`` and 64 hex digits.

    Raises
    ------
    SpecError, MalformedFileError, LimitExceededError
        If the model has content that a file cannot hold; nothing is written.
    PluginError
        If a layer changes its state in a prediction, or its outputs for the same rows vary, so that
        the file would not load; nothing is written.
    PathError
        If the file cannot be written, an OSError; the old one is untouched.
    MissingExtraError
        For a URL, if the extra ``remote`` is not installed.
    """
    model.check_whole("saved")
    check_sections(model.spec, prefix="spec.model")
    file_id = write(
        target,
        durable=durable,
        overwrite=overwrite,
        follow_symlinks=follow_symlinks,
        atomic=atomic,
        check=check,
        limits=limits,
        **_content(model, weights_only=weights_only),
    )
    model.file_id = file_id
    model.path = None
    if isinstance(target, (str, os.PathLike)):
        model.path = expanded(os.fspath(target))
    return file_id


def _content(model: Model, *, weights_only: bool) -> dict[str, Any]:
    """Tensors, their digests and the sections of the header, as ``write`` takes them."""
    arrays = model.network.tensors()
    digests = tensor_digests(arrays)
    kept, history = model.leftovers, model.history
    tied = {tie.name: tie.owner for tie in model.network.ties if not tie.transposed}
    aliases = {
        alias: target
        for alias, target in {**kept.aliases, **tied}.items()
        if digests[alias] == digests[target]
    }
    for alias in aliases:
        del arrays[alias]
    if weights_only:
        kept, history = kept._replace(training=None, tensors={}), {}
    arrays |= {f"history/{k}": ("history", v.astype(np.float64)) for k, v in history.items()}
    arrays |= {k: ("optimizer", v) for k, v in kept.tensors.items()}
    unchanged = kept.fingerprint == fingerprint_of(model, digests)
    test = kept.selftest if unchanged else make_selftest(model)
    if test is not None:
        arrays["selftest/input"] = ("selftest", test.rows)
        arrays["selftest/output"] = ("selftest", test.outputs)
    return {
        "tensors": arrays,
        "digests": digests,
        "aliases": aliases,
        "spec": file_spec(model),
        "types": provenance(model.spec),
        "metadata": model.metadata,
        "history": {name: kept.units.get(name, "epoch") for name in history},
        "metrics": model.metrics,
        "training": kept.training,
        "selftest": None if test is None else {"rtol": test.rtol, "atol": test.atol},
    }
