"""Residuals of each target, from predicted and true numbers."""

from __future__ import annotations

import math

import numpy as np

from layerkit.core.context import Array
from layerkit.datacontract import OutputContract
from layerkit.evaluation.results import Band, Residuals, WorstRow
from layerkit.reporting.numbers import decimals_for

_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_WORST, _BANDS = 5, 5
_PLACES, _LARGE = 5, 1e8  # beyond them numbers are written with an exponent


def residuals_of(
    output: OutputContract, places: Array, predictions: Array, truth: Array
) -> tuple[Residuals, ...]:
    """The residuals of each target of ``output``, for one row or more, numbered by ``places``."""
    p, t = (part.reshape(len(part), -1).astype(np.float64) for part in (predictions, truth))
    names = target_names(output, p.shape[1])
    return tuple(_residuals(name, places, p[:, j], t[:, j]) for j, name in enumerate(names))


def target_names(output: OutputContract, count: int) -> tuple[str, ...]:
    """The names of ``count`` outputs; "output 1" and so on where the contract has none."""
    if output.targets is not None:
        return output.targets
    if output.label is not None and count == 1:
        return (output.label,)
    return ("output",) if count == 1 else tuple(f"output {j + 1}" for j in range(count))


def _residuals(name: str, places: Array, predicted: Array, true: Array) -> Residuals:
    r = predicted - true
    parts = np.array_split(np.argsort(predicted, kind="stable"), min(_BANDS, len(r)))
    worst = np.argsort(-np.abs(r), kind="stable")[:_WORST].tolist()
    several = len(r) > 1
    return Residuals(
        name=name,
        bias=float(r.mean()),
        spread=float(r.std(ddof=1)) if several else math.nan,
        target_spread=float(true.std(ddof=1)) if several else math.nan,
        quantiles=dict(zip(_QUANTILES, np.quantile(r, _QUANTILES).tolist(), strict=True)),
        bands=tuple(
            Band(len(part), float(predicted[part].mean()), float(true[part].mean()))
            for part in parts
        ),
        worst=tuple(
            WorstRow(int(places[i]), float(true[i]), float(predicted[i]), float(r[i]))
            for i in worst
        ),
        true=true,
        predicted=predicted,
    )


def in_unit(r: Residuals, *values: float) -> list[str]:
    """``values`` in the unit of the target as text, alike, "-" for what is not defined.

    They get up to three digits of the smaller spread, or an exponent if they are very large or
    small.
    """
    places = decimals_for(min((s for s in (r.spread, r.target_spread) if s > 0), default=None), 1)
    places += places > 0
    largest = max(float(np.abs(r.true).max()), float(np.abs(r.predicted).max()))
    plain = places <= _PLACES and largest < _LARGE
    return [_text(value, places if plain else None) for value in values]


def _text(value: float, places: int | None) -> str:
    if not math.isfinite(value):
        return "-"
    if places is None:
        return f"{value:.2e}"
    return f"{round(value, places) + 0.0:,.{places}f}"  # -0.0 becomes 0.0
