"""The outcome of a comparison, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from layerkit.comparison.intervals import Interval
from layerkit.layer import Array

__all__ = ["Contestant", "Difference", "LayerRow", "Summary", "Timing"]

Verdict = Literal["better", "worse", "open"]
"""Settled one way, the other, or not; "open" also where there is no interval at all."""


@dataclass(frozen=True)
class Summary:
    """One number of a contestant over its seeds.

    Attributes
    ----------
    values
        One a seed, in the order of the contestant's seeds.
    mean, sd
        The sample standard deviation (n - 1), None for a single value.
    interval
        For the mean: over seeds, or over rows for a single model.
    share
        Whether it is a share of right rows, shown in per cent.
    """

    values: tuple[float, ...]
    mean: float
    sd: float | None
    interval: Interval | None
    higher_is_better: bool
    share: bool = False

    @property
    def n(self) -> int:
        """Number of values."""
        return len(self.values)


@dataclass(frozen=True)
class Difference:
    """How a contestant differs from the first: its value minus the first's.

    Attributes
    ----------
    mean
        Over ``pairs``, or of the two means where no seed is shared.
    pairs
        Seeds that both have.
    values
        Difference of each pair.
    seeds, rows
        Would another training run differ; would another test set differ. None if it cannot be
        told; ``words`` says why.
    rows_better, rows_worse
        Rows judged better and worse than by the first (averaged over seeds), if the metric is a
        mean over rows.
    verdict
        "better" or "worse" only if every interval there is, widened for the number of
        comparisons, excludes zero.
    words, caveat
        The same in a sentence, and what its interval leaves open ("" if nothing).
    """

    metric: str
    mean: float
    pairs: tuple[int | None, ...]
    values: tuple[float, ...]
    seeds: Interval | None
    rows: Interval | None
    rows_better: int | None
    rows_worse: int | None
    verdict: Verdict
    higher_is_better: bool
    share: bool
    words: str = ""
    caveat: str = ""


@dataclass(frozen=True)
class Timing:
    """Seconds a row takes to be predicted.

    ``single`` for rows one by one, ``batch`` for ``batch_rows`` at once, medians over rounds. The
    ratios are to the first contestant, round by round: lower quartile, median, upper quartile.
    ``steady`` is False if the rounds, or the two ways, disagree so much that the machine must have
    been busy with something else.
    """

    single: float
    batch: float
    batch_rows: int
    single_ratio: tuple[float, float, float]
    batch_ratio: tuple[float, float, float]
    steady: bool = True


@dataclass(frozen=True)
class LayerRow:
    """One layer in a summary: name, type, shapes and number of parameters."""

    name: str
    type: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Contestant:
    """One architecture with its recipe, and what came of it.

    Attributes
    ----------
    kind
        "spec" (trained here), "file" or "model" (only judged).
    sources
        Paths as given; empty for specs and models that are no files.
    seeds
        Of the models judged; None for a model without a recipe.
    failures
        Seed to reason, for runs whose loss was no longer finite; they have no values.
    file_bytes
        Of a file of the (first) model without training state, as ``save`` writes it with
        ``weights_only``; the same for specs and files. None if no training gave a model.
    training_seconds
        None for models that were not trained here: a file holds no times.
    metrics
        "loss" and each metric, on the judged rows.
    differences
        To the first contestant, by metric; empty for the first.
    histories
        One a seed: series name to one float64 an epoch.
    document
        The resolved spec.
    providers
        Layer type to the distribution and version that provides it.
    """

    name: str
    kind: Literal["spec", "file", "model"]
    sources: tuple[str, ...]
    seeds: tuple[int | None, ...]
    parameters: int
    macs: int
    file_bytes: int | None
    layers: tuple[LayerRow, ...]
    document: dict[str, Any]
    providers: dict[str, str]
    metrics: dict[str, Summary] = field(default_factory=dict)
    differences: dict[str, Difference] = field(default_factory=dict)
    training_seconds: Summary | None = None
    timing: Timing | None = None
    histories: tuple[Mapping[str, Array], ...] = ()
    failures: dict[int, str] = field(default_factory=dict)
