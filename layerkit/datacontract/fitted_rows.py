"""Record of the rows a model was fitted on: shows when it is judged on the same rows.

A row is known by a 64-bit hash of its raw numbers and its label as the contract encodes it, the
same in any file format and order. The smallest hashes are kept: a sample that is the same for the
same rows, and that can be merged with another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.datacontract import DataContract, at_source
from layerkit.datacontract.labels import real_numbers
from layerkit.discovery.engines import compiled_engine, eager
from layerkit.display import quoted
from layerkit.errors import SpecError

_KEPT = 512  # hashes
_BLOCK = 1 << 16  # numbers hashed at a time: they stay in the processor's cache
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!_-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ODD, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_MIX_AGAIN = np.uint64(0x94D049BB133111EB)
_AT = "spec.fit"
COMPILERS = ("llvmlite", "numba")  # numba: written by layerkit before it used llvmlite
_LAYERS, _AS_WRITTEN = "layers", "as-written"


@dataclass(frozen=True)
class FittedRows:
    """The rows that a model was fitted on."""

    count: int  # after several trainings on different rows, their sum
    digest: str  # 64 hex digits, the same for the same rows in any order
    sketch: tuple[int, ...]  # the smallest distinct hashes, ascending, at most 512

    @property
    def complete(self) -> bool:
        """Whether the sketch holds every row."""
        return len(self.sketch) < _KEPT or self.count <= _KEPT

    def __or__(self, other: FittedRows) -> FittedRows:
        """These rows and ``other``, which a later training was fitted on."""
        if self.digest == other.digest:
            return self
        digest = hashlib.sha256(f"{self.digest} {other.digest}".encode()).hexdigest()
        sketch = sorted({*self.sketch, *other.sketch})[:_KEPT]
        return FittedRows(self.count + other.count, digest, tuple(sketch))


@dataclass(frozen=True)
class Fit:
    """How a model was fitted: with which kernels (name to version) and on which rows.

    ``kernels`` has "layers": "as-written" if the layers' own methods ran, no faster form of them.
    """

    kernels: Mapping[str, str]
    rows: FittedRows

    def to_spec(self) -> dict[str, Any]:
        """The ``fit`` map of the file's spec."""
        rows = self.rows
        return {
            "kernels": dict(self.kernels),
            "rows": {"count": rows.count, "digest": rows.digest, "sketch": list(rows.sketch)},
        }

    @classmethod
    def from_spec(cls, spec: object) -> Fit:
        """The record that ``to_spec`` wrote; raises SpecError if ``spec`` is malformed."""
        from layerkit.codec.contract import closed_map  # only for files
        from layerkit.codec.names import matches

        found = closed_map(spec, _AT, ("kernels", "rows"), rule="3.4")
        optional = (*COMPILERS, _LAYERS)
        kernels = closed_map(found["kernels"], f"{_AT}.kernels", ("numpy",), optional, "3.4")
        rows = closed_map(found["rows"], f"{_AT}.rows", ("count", "digest", "sketch"), rule="3.4")
        for name, version in kernels.items():
            _require(matches(version, _VERSION), "a version", version, f"kernels.{name}")
        how = kernels.get(_LAYERS, _AS_WRITTEN)
        _require(how == _AS_WRITTEN, repr(_AS_WRITTEN), how, f"kernels.{_LAYERS}")
        count, digest, sketch = rows["count"], rows["digest"], rows["sketch"]
        _require(type(count) is int and 0 < count < 2**63, "a number of rows", count, "rows.count")
        _require(matches(digest, _DIGEST), "64 hex digits", digest, "rows.digest")
        most = min(count, _KEPT)
        good = isinstance(sketch, list) and 0 < len(sketch) <= most
        _require(good, f"1 to {most} hashes", sketch, "rows.sketch")
        before = -1
        for i, one in enumerate(sketch):
            good = type(one) is int and before < one < 2**64
            _require(good, "ascending 64-bit hashes", one, f"rows.sketch[{i}]")
            before = one
        return cls(dict(kernels), FittedRows(count, digest, tuple(sketch)))


def _require(good: bool, expected: str, value: object, where: str) -> None:
    if not good:
        raise SpecError(f"expected {expected}, got {quoted(value)}", location=f"{_AT}.{where}")


def kernels_used(*, fast: bool) -> dict[str, str]:
    """Versions of NumPy and, where compiled kernels are used, of their compiler.

    Layers that run as written are marked: their last bits differ from those of planned layers.
    """
    used = compiled_engine().versions() if fast else {}
    written = {_LAYERS: _AS_WRITTEN} if eager() else {}
    return {**used, **written, "numpy": np.__version__}


def fitted_rows(contract: DataContract, rows: Rows) -> FittedRows:
    """The record of labelled ``rows`` that a model of ``contract`` is fitted on.

    Raises DataError if they do not keep the contract.
    """
    hashes = np.sort(_hashes(contract, rows))
    digest = hashlib.sha256(hashes.astype("<u8").data).hexdigest()
    return FittedRows(len(hashes), digest, tuple(np.unique(hashes)[:_KEPT].tolist()))


def share_seen(fit: Fit | None, contract: DataContract, rows: Rows) -> float | None:
    """The estimated share of labelled ``rows`` that equal rows that a model was fitted on, 0 to 1.

    ``fit`` and ``contract`` are the model's. Exact for models fitted on at most 512 rows; None if
    the model has no record, or the record holds for none of these rows. Raises DataError if they do
    not keep the contract.
    """
    if fit is None or len(rows) == 0:
        return None
    sketch = np.array(fit.rows.sketch, np.uint64)
    hashes = _hashes(contract, rows)
    if not fit.rows.complete:
        hashes = hashes[hashes <= sketch[-1]]
    return float(np.isin(hashes, sketch).mean()) if len(hashes) else None


def _hashes(contract: DataContract, rows: Rows) -> Array:
    """(n,) uint64, one of each row's input columns before filling and scaling, and its label."""
    output = contract.output
    assert output is not None  # noqa: S101  # build always declares one
    with at_source(rows):
        x = contract.input.raw(rows)
        if output.classes is None:
            absent = output.missing_values
            labels = np.asarray(output.labels_of(rows))
            y = real_numbers(labels, output.label or "labels", rows.source, absent)
        else:
            y = output.encoded(rows)
    x, y = x.reshape(len(x), -1), y.reshape(len(x), -1)
    keys = _mixed(np.arange(1, x.shape[1] + y.shape[1] + 1, dtype=np.uint64) * _ODD) | np.uint64(1)
    hashes = np.zeros(len(x), np.uint64)
    step = max(1, _BLOCK // max(1, len(keys)))
    for i in range(0, len(x), step):
        part = slice(i, i + step)
        hashes[part] = _sums(x[part], keys[: x.shape[1]]) + _sums(y[part], keys[x.shape[1] :])
    return _mixed(hashes)


def _sums(numbers: Array, keys: Array) -> Array:
    """Sums (b,) of the hashes of ``numbers`` (b, w), each column with its key in ``keys`` (w,)."""
    wide = numbers.astype(np.float64)
    wide += 0.0  # -0.0 is 0.0
    wide[np.isnan(wide)] = np.nan
    bits = wide.view(np.uint64)
    bits ^= bits >> np.uint64(32)  # small whole numbers differ in the upper half only
    bits *= keys
    bits ^= bits >> np.uint64(29)
    total: Array = bits.sum(axis=1, dtype=np.uint64)
    return total


def _mixed(hashes: Array) -> Array:
    """The finalizer of SplitMix64: every bit depends on every other."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * _MIX
    hashes = (hashes ^ (hashes >> np.uint64(27))) * _MIX_AGAIN
    hashes ^= hashes >> np.uint64(31)
    return hashes
