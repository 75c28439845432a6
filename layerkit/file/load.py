"""Loading a model from a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, BinaryIO, Literal

import numpy as np

from layerkit.codec import Document, Limits, open_document
from layerkit.codec.document import located
from layerkit.core.context import Array
from layerkit.core.layer import Layer
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer
from layerkit.datacontract import DataContract
from layerkit.datacontract.fitted_rows import Fit
from layerkit.discovery.origins import Origins
from layerkit.discovery.registry import OPTIMIZERS
from layerkit.errors import PluginError, SpecError
from layerkit.file.check_tensors import check_copies, check_tensors
from layerkit.file.fingerprint import fingerprint_of, known_training
from layerkit.file.provenance import AllowPlugins, permission, resolve_types
from layerkit.file.selftest import run_selftest
from layerkit.model import FileLeftovers, Model, SelfTest, declared_contract
from layerkit.specs import Spec, resolve
from layerkit.specs.json_source import JsonSource, spell


def load(
    source: str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview,
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
        A path (``~`` is the home folder), a URL (``https://``, ``s3://``, ...; needs the extra
        ``remote``), a binary stream (which need not seek), or the content as bytes.
    mmap
        Map the parameters read-only instead of copying them, until training needs copies.
        Truncating a mapped file kills the process that uses it.
    verify
        Check the SHA-256 of every tensor; "lazy", with ``mmap``, on first use. The header is always
        checked.
    selftest
        Run the rows stored in the file and compare with the stored outputs. The default is True
        unless ``verify`` is "lazy", because the test uses every tensor.
    expected_id
        The file id to accept; any other file is refused.
    allow_plugins
        Distributions whose layers may be imported: None for all, a set of names, or False for only
        layerkit's own.
    limits
        Bounds on what the file may ask for.

    Returns
    -------
    Model
        Its parameters are writable copies, unless ``mmap`` is set.

    Raises
    ------
    ModelFileError
        A subclass for each fault: not a model file, truncated, corrupt, malformed, too new, a
        missing plugin, tensors that do not match the spec, or a failed self-test.
    PathError
        If the file is missing or cannot be read; it is an OSError.
    MissingExtraError
        For a URL, if the extra ``remote`` is not installed.
    """
    with (
        open_document(source, mmap=mmap, expected_id=expected_id, limits=limits) as document,
        located(document.path),
    ):
        claims = {key: one for key, one in document.header["types"].items() if "/" in key}
        origins = Origins(permission(allow_plugins), claims)
        classes, configs = resolve_types(document.header, origins, limits)
        spec = _read_spec(document.header, classes, configs, origins)
        planned = spec.plan()
        check_tensors(document, planned, spec.dtype)
        contract = _read_contract(document.header["spec"], spec, planned)
        arrays, network = _read_tensors(document, spec, planned, mmap=mmap, verify=verify)
        model = _assemble(document, spec, network, contract, arrays)
        run = verify != "lazy" if selftest is None else selftest
        if run and model.leftovers.selftest is not None:
            run_selftest(model, model.leftovers.selftest)
        return model


def _read_tensors(
    document: Document,
    spec: Spec,
    planned: list[PlannedLayer],
    *,
    mmap: bool,
    verify: Literal[True, False, "lazy"],
) -> tuple[Mapping[str, Array], Network]:
    """Step 17, and a network whose parameters are mapped, or read into its own arrays."""
    dtype = np.dtype(spec.dtype)
    if mmap:
        arrays = document.read(verify=verify)
        return arrays, Network(planned, dtype, mapped=arrays)
    if verify == "lazy":
        raise ValueError('verify="lazy" needs mmap=True')
    check_copies(document, planned, spec.dtype)
    network = Network(planned, dtype)
    places = {name: array for name, (_, array) in network.tensors().items()}
    return document.read(verify=verify, into=places), network


def _read_spec(
    header: Mapping[str, Any],
    classes: Mapping[str, type[Layer]],
    configs: Mapping[str, Any],
    origins: Origins,
) -> Spec:
    held = header["spec"]
    unknown = [key for key in held if key not in ("schema", "model", "data", "fit")]
    if unknown:
        raise SpecError(f"unknown field {unknown[0]!r:.80}", location=spell((unknown[0],), "spec"))
    document = {**_with_configs(held["model"], "spec.model", configs), "layerkit": 1}
    return resolve(
        JsonSource(document),
        lenient=True,
        prefix="spec.model",
        origins=origins,
        lookup=classes.__getitem__,
    )


def _with_configs(
    owner: Mapping[str, Any], where: str, configs: Mapping[str, Any]
) -> dict[str, Any]:
    """A layer record, or the model, with ``configs`` by place in it and in the layers it holds."""
    if "layers" not in owner or not configs:
        return dict(owner)
    layers = []
    for i, layer in enumerate(owner["layers"]):
        at = f"{where}.layers[{i}]"
        changed = {**_with_configs(layer, at, configs), "config": configs.get(at, layer["config"])}
        layers.append(changed)
    return {**owner, "layers": layers}


def _read_contract(
    held: Mapping[str, Any], spec: Spec, planned: list[PlannedLayer]
) -> DataContract:
    declared = declared_contract(spec, planned)
    if "data" not in held:
        return declared
    contract = DataContract.from_spec(held["data"]).with_missing_values(
        declared.input.missing_values
    )
    if _rules(contract) != _rules(declared):
        raise SpecError(
            "expected the categories of spec.model.input.columns", location="spec.data.table.fields"
        )
    for half, expected in (("input", declared.input), ("output", declared.output)):
        found = getattr(contract, half)
        if found is not None and expected is not None and found.shape != expected.shape:
            raise SpecError(
                f"the layers need {list(expected.shape)}, the file claims {list(found.shape)}",
                location=f"spec.data.{half}.shape",
            )
    return contract._replace(input=replace(contract.input, whole=declared.input.whole))


def _rules(contract: DataContract) -> object:
    """What the columns of categories are, apart from what training saw of them."""
    encoder = contract.input.encoder
    return None if encoder is None else encoder.with_others(None).fields


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
    units = {series: record["unit"] for series, record in header.get("history", {}).items()}
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
    if "fit" in header["spec"]:
        model.fit = Fit.from_spec(header["spec"]["fit"])
    model.leftovers = FileLeftovers(
        fingerprint_of(model, digests),
        test,
        document.aliases,
        _training(header, spec),
        slots,
        units,
    )
    return model


def _training(header: Mapping[str, Any], spec: Spec) -> dict[str, Any] | None:
    """The training section; the settings of its optimizer are of the version of the class here."""
    kept = known_training(header)
    if kept is not None:
        optimizer, origins = kept["optimizer"], spec.origins
        name = optimizer["type"]
        if origins.claim("optimizers", name) is not None and not origins.open("optimizers", name):
            where = "training.optimizer"
            with suppress(PluginError):
                part = origins.find(OPTIMIZERS, name, where)
                config = origins.current(OPTIMIZERS, part, optimizer["config"], where)
                kept["optimizer"] = {**optimizer, "config": config}
    return kept
