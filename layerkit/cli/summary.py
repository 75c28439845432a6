"""Tables about a model: its layers and their costs, its metrics, its file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerkit.cli import console
from layerkit.display import byte_size, printable

if TYPE_CHECKING:
    import numpy as np

    from layerkit import Model, PlannedLayer


def summarise(model: Model) -> dict[str, Any]:
    """The layers and totals of a model as JSON values; None for multiply-adds that are unknown.

    A container has those inside it under ``layers``, and counts what they cost.
    """
    from layerkit.recording.counting import total

    rows = _layers(model.network.planned, model.network.dtype)
    totals = {key: total(row[key] for row in rows) for key in ("parameters", "macs", "bytes")}
    return {"name": model.name, "dtype": model.spec.dtype, "layers": rows, **totals}


def _layers(planned: Sequence[PlannedLayer], dtype: np.dtype[Any]) -> list[dict[str, Any]]:
    from layerkit.discovery.registry import REGISTRIES
    from layerkit.recording.counting import macs_of_layers

    rows: list[dict[str, Any]] = []
    for one, macs in zip(planned, macs_of_layers(planned, dtype), strict=True):
        candidate = REGISTRIES["layers"].origin(type(one.layer))
        row = {
            "name": one.name,
            "type": one.layer.type_name,
            "provider": {"distribution": candidate.dist, "version": candidate.version},
            "in_shape": one.in_shape,
            "out_shape": one.plan.out_shape,
            "parameters": one.parameters,
            "macs": macs,
            "bytes": one.parameters * dtype.itemsize,
        }
        if one.plan.parts:
            row["layers"] = _layers(one.plan.parts, dtype)
        rows.append(row)
    return rows


def layer_table(summary: dict[str, Any]) -> str:
    """The table of ``summarise``."""
    rows = _rows(summary["layers"])
    rows.append(["total", "", "", "", *_cost(summary)])
    head = ("layer", "type", "provider", "output", "parameters", "MACs", "memory")
    return console.table(head, rows, "llllrrr", total=1)


def _rows(layers: list[dict[str, Any]], indent: str = "") -> list[list[object]]:
    """A row for each layer; those inside a container follow it, indented."""
    rows: list[list[object]] = []
    for layer in layers:
        where = indent + layer["name"], layer["type"], _provider(layer["provider"])
        rows.append([*where, shape(layer["out_shape"]), *_cost(layer)])
        rows += _rows(layer.get("layers", []), indent + "  ")
    return rows


def shape(sizes: Any) -> str:
    """``(32, 32, 3)`` as ``32 x 32 x 3``."""
    return " x ".join(map(str, sizes)) or "one number"


def _provider(given: dict[str, Any]) -> str:
    dist, version = given["distribution"], given["version"]
    return "this process" if dist is None else f"{dist} {version}"


def _cost(row: dict[str, Any]) -> list[str]:
    macs = "?" if row["macs"] is None else f"{row['macs']:,}"
    return [f"{row['parameters']:,}", macs, byte_size(row["bytes"])]


def metric_table(metrics: dict[str, float]) -> str:
    """Final metrics, named SPLIT_METRIC, as one row per split."""
    splits: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        split, _, metric = name.partition("_")
        splits.setdefault(split, {})[metric] = value
    columns = list(dict.fromkeys(metric for values in splits.values() for metric in values))
    rows = [
        [split, *(console.metric(c, values[c]) if c in values else "" for c in columns)]
        for split, values in splits.items()
    ]
    return console.table(["rows", *columns], rows, "l" + "r" * len(columns))


def saved(path: Path, file_id: str, *, replaced: bool) -> str:
    """The line that says where a model was saved."""
    old = ", replacing the file that was there" if replaced else ""
    return printable(f"saved {path} ({byte_size(path.stat().st_size)}, {file_id[:19]}...){old}")
