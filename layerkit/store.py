"""Models to files and back: what a model is, in terms of the file format.

Saving records, beside spec and tensors, which distribution and version provided each layer type,
and a few rows with the outputs the model gives for them. Loading resolves the types, holds the
tensors against what the spec implies before it reads them, and runs those rows again, so that
wrong numbers never go unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO, Literal

import numpy as np

from layerkit.contract import DataContract
from layerkit.errors import SelfTestError, SpecError, TensorMismatchError
from layerkit.format import (
    Document,
    Limits,
    check_data_contract,
    format_dtype,
    open_document,
    tensor_digests,
    write,
)
from layerkit.format.document import located
from layerkit.layer import Array, Layer
from layerkit.model import Carried, Model, SelfTest, declared_contract
from layerkit.network import Network, Planned, random_stream
from layerkit.provenance import AllowPlugins, permission, provenance, resolve_types
from layerkit.spec import Spec, resolve
from layerkit.spec.text import Source
from layerkit.spec.words import Permit

__all__ = ["load", "save"]

_TOLERANCE = {"float32": (1e-4, 1e-5), "float64": (1e-8, 1e-10)}  # rtol, atol: FORMAT.md 9.8
_SELFTEST_ROWS = 4
_SELFTEST_BYTES = 1 << 20


def save(
    model: Model,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    weights_only: bool = False,
    durable: bool = True,
    overwrite: bool = True,
    follow_symlinks: bool = False,
    check: bool = False,
    limits: Limits | None = None,
) -> str:
    """Write ``model`` to a file; equal models give equal bytes.

    Parameters
    ----------
    model
        Trained or not.
    target
        A path, replaced in one step (an old file stays whole until the new one is), or a binary
        file object, written forward.
    weights_only
        Leave out what only training needs: optimizer state and history.
    durable
        Force the bytes to the disk before the old file is replaced.
    overwrite
        If False, an existing file is left alone and FileExistsError raised.
    follow_symlinks
        Write what a symbolic link points to, instead of replacing the link.
    check
        Read the file back, verified, before it replaces the old one.
    limits
        What readers of the file will allow.

    Returns
    -------
    str
        The file id, ``sha256:`` and 64 hex digits.

    Raises
    ------
    SpecError, MalformedFileError, LimitExceededError
        If the model holds what a file cannot; nothing is written.
    OSError
        If the file cannot be written; the old one is untouched.
    """
    arrays = model.network.tensors()
    digests = tensor_digests(arrays)
    fingerprint = _fingerprint(model, digests)
    aliases = {
        alias: target
        for alias, target in model.carried.aliases.items()
        if digests[alias] == digests[target]
    }
    for alias in aliases:
        del arrays[alias]
    kept, history = model.carried, model.history
    if weights_only:
        kept, history = replace(kept, training=None, tensors={}), {}
    arrays |= {f"history/{k}": ("history", v.astype(np.float64)) for k, v in history.items()}
    arrays |= {k: ("optimizer", v) for k, v in kept.tensors.items()}
    test = kept.selftest if kept.fingerprint == fingerprint else _selftest(model)
    if test is not None:
        arrays["selftest/input"] = ("selftest", test.rows)
        arrays["selftest/output"] = ("selftest", test.outputs)
    file_id = write(
        target,
        spec=_file_spec(model),
        types=provenance(model.spec.layers),
        tensors=arrays,
        aliases=aliases,
        metadata=model.metadata,
        history=dict.fromkeys(history, "epoch"),
        metrics=model.metrics,
        training=kept.training,
        selftest=None if test is None else {"rtol": test.rtol, "atol": test.atol},
        durable=durable,
        overwrite=overwrite,
        follow_symlinks=follow_symlinks,
        check=check,
        limits=limits,
        digests=digests,
    )
    model.file_id = file_id
    model.path = os.fspath(target) if isinstance(target, (str, os.PathLike)) else None
    return file_id


def load(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    mmap: bool = False,
    verify: Literal[True, False, "lazy"] = True,
    selftest: bool | None = None,
    expected_id: str | None = None,
    allow_plugins: AllowPlugins = None,
    limits: Limits | None = None,
) -> Model:
    """Read a model from a file.

    Parameters
    ----------
    source
        A path, or a binary stream (no seeking is needed).
    mmap
        Leave the parameters in the file, mapped read-only, until training needs copies. Truncating
        a mapped file kills the process that uses it.
    verify
        Check the SHA-256 of every tensor; "lazy", with ``mmap``, when it is first used. The header
        is always checked.
    selftest
        Run the rows stored in the file and compare with the stored outputs; by default unless
        ``verify`` is "lazy", since the test uses every tensor.
    expected_id
        Refuse any file whose id is not this one.
    allow_plugins
        Distributions whose layers may be imported: None for all, a set of names, or False for
        layerkit's own only.
    limits
        Bounds on what the file may ask for.

    Returns
    -------
    Model
        Its parameters are writable copies, unless ``mmap`` is set.

    Raises
    ------
    ModelFileError
        A subclass that says what is wrong: not a model file, truncated, corrupt, malformed, too
        new, a plugin missing, tensors that do not fit the spec, or a failed self-test.
    OSError
        If the file cannot be opened or read.
    """
    with (
        open_document(source, mmap=mmap, expected_id=expected_id, limits=limits) as document,
        located(document.path),
    ):
        classes, configs = resolve_types(document.header, allow_plugins, limits)
        permit = permission(allow_plugins)
        spec = _read_spec(document.header, classes, configs, permit)
        planned = spec.plan()
        _check_tensors(document, planned, spec.dtype)
        contract = _read_contract(document.header["spec"], spec, planned)
        arrays, network = _read_tensors(document, spec, planned, mmap=mmap, verify=verify)
        model = _assemble(document, spec, network, contract, arrays)
        wanted = verify != "lazy" if selftest is None else selftest
        if wanted and model.carried.selftest is not None:
            _run_selftest(model, model.carried.selftest)
        return model


def _read_tensors(
    document: Document,
    spec: Spec,
    planned: list[Planned],
    *,
    mmap: bool,
    verify: Literal[True, False, "lazy"],
) -> tuple[Mapping[str, Array], Network]:
    """Step 17, and a network over the parameters: in the file, or read to where they belong."""
    dtype = np.dtype(spec.dtype)
    if mmap:
        arrays = document.read(verify=verify)
        return arrays, Network(planned, dtype, mapped=arrays)
    if verify == "lazy":
        raise ValueError('verify="lazy" needs mmap=True')
    network = Network(planned, dtype)
    places = {name: array for name, (_, array) in network.tensors().items()}
    return document.read(verify=verify, into=places), network


def _file_spec(model: Model) -> dict[str, Any]:
    document = model.spec.to_document()
    del document["layerkit"]
    return {"schema": 1, "model": document, "data": model.contract.to_spec()}


def _read_spec(
    header: Mapping[str, Any],
    classes: Mapping[str, type[Layer]],
    configs: Mapping[int, Any],
    permit: Permit,
) -> Spec:
    held = header["spec"]
    unknown = [key for key in held if key not in ("schema", "model", "data")]
    if unknown:
        raise SpecError(f"unknown field {unknown[0]!r:.80}", location=f"spec.{unknown[0]:.80}")
    document = {**held["model"], "layerkit": 1}
    if isinstance(document.get("layers"), list):
        document["layers"] = [
            {**layer, "config": configs.get(i, layer["config"])}
            for i, layer in enumerate(document["layers"])
        ]
    return resolve(
        Source(document),
        lenient=True,
        prefix="spec.model",
        permit=permit,
        lookup=classes.__getitem__,
    )


def _read_contract(held: Mapping[str, Any], spec: Spec, planned: list[Planned]) -> DataContract:
    check_data_contract(dict(held))
    declared = declared_contract(spec, planned)
    if "data" not in held:
        return declared
    contract = DataContract.from_spec(held["data"])
    for half, wanted in (("input", declared.input), ("output", declared.output)):
        found = getattr(contract, half)
        if found is not None and wanted is not None and found.shape != wanted.shape:
            raise SpecError(
                f"{list(wanted.shape)} is wanted by the layers, {list(found.shape)} came",
                location=f"spec.data.{half}.shape",
            )
    return contract


def _check_tensors(document: Document, planned: list[Planned], dtype: str) -> None:
    """Step 16: the tensors of the file against those that the plans imply, all differences."""
    kind = str(format_dtype(np.dtype(dtype)))
    wanted = {
        f"{p.name}.{name}": (role, kind, tuple(param.shape))
        for p in planned
        for role, group in (("param", p.plan.params), ("state", p.plan.state))
        for name, param in group.items()
    }
    found = {
        name: (record.role, record.dtype, tuple(record.shape))
        for name, record in document.tensors.items()
        if record.role in ("param", "state")
    }
    found |= {alias: found[target] for alias, target in document.aliases.items()}
    missing = sorted(wanted.keys() - found.keys())
    unexpected = sorted(found.keys() - wanted.keys())
    wrong = [
        (name, _shown(wanted[name]), _shown(found[name]))
        for name in sorted(wanted.keys() & found.keys())
        if wanted[name] != found[name]
    ]
    if not (missing or unexpected or wrong):
        return
    parts = [f"missing {', '.join(missing)}"] if missing else []
    parts += [f"unexpected {', '.join(unexpected)}"] if unexpected else []
    parts += [f"{name} is {have}, {want} is wanted" for name, want, have in wrong]
    raise TensorMismatchError(
        f"the tensors are not those of the spec: {'; '.join(parts)}",
        missing=missing,
        unexpected=unexpected,
        mismatched=wrong,
    )


def _shown(what: tuple[str, str, tuple[int, ...]]) -> str:
    role, dtype, shape = what
    return f"{role} {dtype} {list(shape)}"


def _assemble(
    document: Document,
    spec: Spec,
    network: Network,
    contract: DataContract,
    arrays: Mapping[str, Array],
) -> Model:
    header = document.header
    test = None
    if "selftest" in header:
        tolerance = header["selftest"]
        test = SelfTest(
            arrays["selftest/input"],
            arrays["selftest/output"],
            tolerance["rtol"],
            tolerance["atol"],
        )
    slots = {n: arrays[n] for n, r in document.tensors.items() if r.role == "optimizer"}
    model = Model(
        spec,
        network,
        contract,
        history={name: arrays[f"history/{name}"] for name in header.get("history", {})},
        metrics=dict(header.get("metrics", {})),
        metadata=header["metadata"],
        path=document.path,
        file_id=document.file_id,
    )
    digests = {name: record.sha256 for name, record in document.tensors.items()}
    digests |= {alias: digests[target] for alias, target in document.aliases.items()}
    model.carried = Carried(
        _fingerprint(model, digests), test, document.aliases, header.get("training"), slots
    )
    return model


def _fingerprint(model: Model, digests: Mapping[str, bytes]) -> str:
    """Changes when the spec, the contract, a parameter or a state changes."""
    fingerprint = hashlib.sha256(json.dumps(_file_spec(model), sort_keys=True).encode())
    for p in model.network.planned:
        for name in (*p.plan.params, *p.plan.state):
            fingerprint.update(digests[f"{p.name}.{name}"])
    return fingerprint.hexdigest()


def _selftest(model: Model) -> SelfTest | None:
    """Rows that follow from the model alone and what it gives for them; None if too large."""
    if not model.ready:
        return None
    contract = model.contract.input
    stream = random_stream(0, "selftest")
    width = (_SELFTEST_ROWS, *contract.shape)
    low, high = contract.low, contract.high
    if low is None or high is None:
        rows = stream.standard_normal(width)
        if contract.scale is not None and contract.center is not None:
            rows = rows * contract.scale + contract.center
    else:
        rows = low + stream.random(width) * (high - low)
    raw: Array = rows.astype(contract.dtype)
    with np.errstate(all="ignore"):
        outputs = model.predict(raw)
    if raw.nbytes + outputs.nbytes > _SELFTEST_BYTES:
        return None
    rtol, atol = _TOLERANCE[model.spec.dtype]
    return SelfTest(raw, outputs, rtol, atol)


def _run_selftest(model: Model, test: SelfTest) -> None:
    """Step 19."""
    advice = "load with selftest=False only to look into it"
    try:
        with np.errstate(all="ignore"):
            got = model.predict(test.rows)
    except Exception as cause:  # a plugin's own code may raise anything
        raise SelfTestError(
            f"the self-test raised {type(cause).__name__}: {cause} ({advice})",
            max_abs=float("inf"),
            index=None,
        ) from cause
    wanted = test.outputs
    if got.shape != wanted.shape:
        raise SelfTestError(
            f"the self-test gave outputs of shape {list(got.shape)}, {list(wanted.shape)} wanted "
            f"({advice})",
            max_abs=float("inf"),
            index=None,
        )
    with np.errstate(all="ignore"):
        same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
        gap = np.where(same, 0.0, np.abs(got.astype(np.float64) - wanted.astype(np.float64)))
        near = np.isfinite(wanted) & (gap <= test.atol + test.rtol * np.abs(wanted))
    if np.all(same | near):
        return
    gap = np.where(np.isnan(gap), np.inf, gap)
    flat = int(np.where(same | near, -1.0, gap).argmax())
    index = tuple(int(i) for i in np.unravel_index(flat, got.shape))
    raise SelfTestError(
        f"the model does not give what it gave when it was saved: largest difference "
        f"{gap[index]:.3g} at {list(index)} (atol {test.atol:g}, rtol {test.rtol:g}; {advice})",
        max_abs=float(gap[index]),
        index=index,
    )
