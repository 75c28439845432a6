"""What a training follows from, as hashes and JSON values: spec, seed, rows, versions, source."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import layerkit
from layerkit.core.parts import Part
from layerkit.core.rows import Rows
from layerkit.discovery.candidates import FIRST_PARTY
from layerkit.discovery.engines import compiled_engine, eager
from layerkit.file.provenance import parts_of, provenance
from layerkit.specs import Spec


def run_key(spec: Spec, seed: int, *given: Any) -> str:
    """A hash of the resolved spec without its name, the seed, and what else is given."""
    document = spec.with_train(seed=seed).to_document()
    del document["name"]
    text = json.dumps([document, *given], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def job_key(spec: Spec, seed: int, rows: str) -> str:
    """The name of a run: a hash of its spec, its seed, the digest of its rows, and foreign source.

    An edited plugin makes other runs. Versions and kernels make none: they change last bits.
    """
    return job_keys(spec)(seed, rows)


def job_keys(spec: Spec) -> Callable[[int, str], str]:
    """``job_key`` of any seed and rows, for a spec whose source is read once."""
    foreign = sorted(_sources(spec, foreign=True))
    given = [foreign] if foreign else []
    return lambda seed, rows: run_key(spec, seed, rows, *given)


def made_by(spec: Spec) -> dict[str, Any]:
    """What besides spec, seed and rows decides the bits of a training: versions, kernels, source.

    JSON values.
    """
    return {
        "layerkit": layerkit.__version__,
        "kernels": _kernels(),
        "numpy": np.__version__,
        "types": provenance(spec),
        "source": sorted(_sources(spec)),
    }


def _kernels() -> str:
    """What runs the layers: compiled kernels, planned NumPy and the methods have other bits."""
    from importlib.metadata import PackageNotFoundError

    if eager():
        return "as written"
    try:
        versions = compiled_engine().versions()
    except PackageNotFoundError:
        return "numpy"
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _sources(spec: Spec, *, foreign: bool = False) -> set[str]:
    """Digests of the source of the spec's parts, or of those alone that are not layerkit's own."""
    found = set()
    for _, origin, part in parts_of(spec):
        if foreign and origin.dist == FIRST_PARTY:
            continue
        with suppress(OSError, TypeError):
            # A class of this process may stand in a script that changes for other reasons.
            local = origin.dist is None
            source = inspect.getsource(part).encode() if local else _file_of(part)
            found.add(hashlib.sha256(source).hexdigest())
    return found


def _file_of(part: type[Part]) -> bytes:
    return Path(inspect.getfile(part)).read_bytes()


def raw_rows_digest(splits: Mapping[str, Rows]) -> str:
    """A digest of all rows by split, in order."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        rows = splits[name]
        columns = {} if rows.columns is None else dict(rows.columns)
        arrays = {
            "": rows.values,
            "label": rows.labels,
            "text": rows.label_text,
            "weight": rows.weights,
            **{f"c {k}": v for k, v in columns.items()},
        }
        for key, array in arrays.items():
            if array is not None:
                held = np.ascontiguousarray(array)
                digest.update(f"{name} {key} {held.dtype} {held.shape}\n".encode())
                digest.update(repr(held.tolist()).encode() if held.dtype == object else held.data)
    return digest.hexdigest()
