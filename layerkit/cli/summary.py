"""Tables about a model: its layers and their costs, its metrics, its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerkit.cli import console
from layerkit.display import byte_size, printable

if TYPE_CHECKING:
    from layerkit import Model


def summarise(model: Model) -> dict[str, Any]:
    """The layers and totals of a model as JSON values; None for multiply-adds that are unknown."""
    from layerkit.discovery.registry import REGISTRIES
    from layerkit.recording.counting import macs_of_layers, total

    layers = REGISTRIES["layers"]
    network = model.network
    counts = macs_of_layers(network.planned, network.dtype)
    rows: list[dict[str, Any]] = []
    for record, planned, macs in zip(model.spec.layers, network.planned, counts, strict=True):
        candidate = layers.origin(type(planned.layer))
        rows.append(
            {
                "name": planned.name,
                "type": record.type,
                "provider": {"distribution": candidate.dist, "version": candidate.version},
                "in_shape": planned.in_shape,
                "out_shape": planned.plan.out_shape,
                "parameters": planned.size,
                "macs": macs,
                "bytes": planned.size * network.dtype.itemsize,
            }
        )
    totals = {key: total(row[key] for row in rows) for key in ("parameters", "macs", "bytes")}
    return {"name": model.name, "dtype": model.spec.dtype, "layers": rows, **totals}


def layer_table(summary: dict[str, Any]) -> str:
    """The table of ``summarise``."""
    rows: list[list[object]] = [
        [row["name"], row["type"], _provider(row["provider"]), shape(row["out_shape"]), *_cost(row)]
        for row in summary["layers"]
    ]
    rows.append(["total", "", "", "", *_cost(summary)])
    head = ("layer", "type", "provider", "output", "parameters", "MACs", "memory")
    return console.table(head, rows, "llllrrr", total=1)


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
