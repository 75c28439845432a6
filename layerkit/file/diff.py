"""Differences between two model files.

``diff`` reads headers, and those tensors whose digests differ; it needs no plugin. It loads the
models and compares predictions only if rows are given.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from layerkit.codec import load_tensors
from layerkit.core.context import Array
from layerkit.errors import DataError
from layerkit.file.inspection import Inspection, inspect
from layerkit.file.load import load
from layerkit.predict import RawRows

PathLike = str | os.PathLike[str]
Kind = Literal["added", "removed", "changed", "reshaped"]
_ABSENT = "(absent)"


@dataclass(frozen=True)
class Change:
    """A value that differs: its path, and the value in each file, "(absent)" where missing."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class TensorChange:
    """A tensor that differs.

    ``norm`` is the Euclidean norm in the first file, ``distance`` that of the difference,
    ``largest`` its largest absolute element, ``elements`` the number that differ; None unless both
    files have the tensor in the same shape and dtype.
    """

    name: str
    kind: Kind
    before: str
    after: str
    norm: float | None = None
    distance: float | None = None
    largest: float | None = None
    elements: int | None = None


@dataclass(frozen=True)
class Disagreement:
    """How the two models' predictions differ on the same ``rows``.

    ``largest`` and ``mean`` are of the absolute difference; ``labels`` counts the rows whose class
    differs, None without classes.
    """

    rows: int
    largest: float
    mean: float
    labels: int | None


@dataclass(frozen=True)
class FileDiff:
    """What differs between two model files; ``same`` when their ids are equal."""

    before: Inspection
    after: Inspection
    spec: list[Change]
    types: list[Change]
    tensors: list[TensorChange]
    metrics: list[Change]
    others: list[Change]
    predictions: Disagreement | None = None

    @property
    def same(self) -> bool:
        """Whether the files are equal, byte for byte."""
        return self.before.file_id == self.after.file_id

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        sections = ("spec", "types", "tensors", "metrics", "others")
        return {
            "same": self.same,
            "before": {"path": self.before.path, "file_id": self.before.file_id},
            "after": {"path": self.after.path, "file_id": self.after.file_id},
            **{name: [asdict(c) for c in getattr(self, name)] for name in sections},
            "predictions": None if self.predictions is None else asdict(self.predictions),
        }


def diff(before: PathLike, after: PathLike, *, rows: RawRows | None = None) -> FileDiff:
    """Compare two model files.

    Parameters
    ----------
    before, after
        Paths of model files.
    rows
        Raw rows on which to compare predictions; this loads the models.

    Raises
    ------
    ModelFileError, OSError
        If a file cannot be read, or with ``rows`` not loaded.
    DataError
        If the rows break a model's data contract, or the outputs cannot be compared.
    """
    a, b = inspect(before), inspect(after)
    sections = ("aliases", "features", "metadata", "producer", "selftest", "training")
    others = [
        change
        for name in sections
        for change in changes(a.header.get(name, {}), b.header.get(name, {}), name)
    ]
    one, two = dict(a.header["spec"]), dict(b.header["spec"])
    others += changes(one.pop("fit", {}), two.pop("fit", {}), "spec.fit")  # not part of the recipe
    return FileDiff(
        a,
        b,
        list(changes(one, two, "spec")),
        list(changes(a.header["types"], b.header["types"], "types")),
        _tensor_changes(before, after, a, b),
        list(changes(a.header.get("metrics", {}), b.header.get("metrics", {}), "metrics")),
        others,
        None if rows is None else _disagreement(before, after, rows),
    )


def changes(a: Any, b: Any, path: str) -> Iterator[Change]:
    """The smallest differences of two JSON trees; layers and columns are matched by name."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in [*a, *(k for k in b if k not in a)]:
            yield from changes(a.get(key, _ABSENT), b.get(key, _ABSENT), f"{path}.{key}")
    elif _named(a, b):
        first, second = ({_name_of(x): x for x in tree} for tree in (a, b))
        yield from changes(first, second, path)
        if list(first) != list(second) and first.keys() == second.keys():
            yield Change(f"{path} (order)", list(first), list(second))
    elif type(a) is not type(b) or not _equal(a, b):
        yield Change(path, a, b)


def _named(*trees: Any) -> bool:
    """Whether these are lists of things with distinct names, some of them with more than a name."""
    if not all(isinstance(tree, list) for tree in trees):
        return False
    names = [list(map(_name_of, tree)) for tree in trees]
    plain = all(isinstance(x, str) for tree in trees for x in tree) and any(trees)
    return not plain and all(None not in found and len(set(found)) == len(found) for found in names)


def _name_of(item: Any) -> str | None:
    """The name of a layer or a column; None if it has none."""
    name = item.get("name") if isinstance(item, dict) else item
    return name if isinstance(name, str) else None


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    return bool(a == b)


def _tensor_changes(
    before: PathLike, after: PathLike, a: Inspection, b: Inspection
) -> list[TensorChange]:
    changes = []
    for name in sorted(a.tensors.keys() | b.tensors.keys()):
        one, two = a.tensors.get(name), b.tensors.get(name)
        if one is None or two is None:
            kind: Kind = "added" if one is None else "removed"
            changes.append(TensorChange(name, kind, _described(one), _described(two)))
        elif (one.shape, one.dtype) != (two.shape, two.dtype):
            changes.append(TensorChange(name, "reshaped", _described(one), _described(two)))
        elif one.sha256 != two.sha256:
            first = load_tensors(before, names=[name])[name]
            second = load_tensors(after, names=[name])[name]
            changes.append(
                TensorChange(
                    name, "changed", _described(one), _described(two), **_distance(first, second)
                )
            )
    return changes


def _described(record: Any) -> str:
    return _ABSENT if record is None else f"{record.role} {record.dtype} {list(record.shape)}"


def _distance(a: Array, b: Array) -> dict[str, Any]:
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    x, y = a.astype(wide), b.astype(wide)
    with np.errstate(all="ignore"):
        gap = np.abs(y - x)
        return {
            "norm": float(np.linalg.norm(x)),
            "distance": float(np.linalg.norm(gap)),
            "largest": float(gap.max()) if gap.size else 0.0,
            "elements": int(np.count_nonzero(~(a == b))),
        }


def _disagreement(before: PathLike, after: PathLike, rows: RawRows) -> Disagreement:
    first, second = load(before), load(after)
    if first.classes != second.classes:
        raise DataError(
            "the models have different classes, so their predictions cannot be compared"
        )
    p, q = first.predict(rows), second.predict(rows)
    if p.shape != q.shape:
        shapes = f"{list(p.shape[1:])} and {list(q.shape[1:])}"
        raise DataError(f"the models give outputs of shapes {shapes}, which cannot be compared")
    gap = np.abs(p.astype(np.float64) - q)
    labels = None
    if first.classes is not None:
        labels = int(np.count_nonzero(first.labels(p) != second.labels(q)))
    largest, mean = (float(gap.max()), float(gap.mean())) if gap.size else (0.0, 0.0)
    return Disagreement(len(p), largest, mean, labels)
