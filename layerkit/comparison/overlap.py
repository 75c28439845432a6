"""Overlap of rows: whether a contestant was fitted on rows that it is judged on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerkit.comparison.sentences import seen_sentence
from layerkit.core.rng import random_stream
from layerkit.core.rows import Rows
from layerkit.datacontract.fitted_rows import share_seen
from layerkit.errors import DataError
from layerkit.model import Model

_SAMPLE = 2000  # judged rows in which equal ones are counted
_TOLERANCE = 0.02  # beyond what equal rows explain


@dataclass(frozen=True)
class Overlap:
    """The judged rows that a contestant was fitted on, by the record in its files.

    ``digests`` are, by seed, of the rows that a model was fitted on, in any order, and name the
    columns it saw.
    """

    share: float  # of the judged rows that equal fitted ones, the largest of its models
    expected: float  # the share to expect by coincidence, as in small tables of integers
    digests: dict[int | None, tuple[str, str]]

    @property
    def counts(self) -> bool:
        """Whether it was fitted on judged rows, beyond rows that happen to be equal."""
        return self.share > self.expected + _TOLERANCE


def measure_overlap(models: Sequence[Model], rows: Rows) -> Overlap | None:
    """The overlap of one contestant's ``models``; None if none knows what it was fitted on."""
    shares = [(model, share_seen(model.fit, model.contract, rows)) for model in models]
    known = [(share, model) for model, share in shares if share is not None]
    if not known:
        return None
    share, model = max(known, key=lambda pair: pair[0])
    assert model.fit is not None  # noqa: S101  # or there would be no share
    fitted = model.fit.rows.count
    expected = expected_overlap(_multiplicities(model, rows), fitted) if share > 0 else 0.0
    return Overlap(share, expected, {_seed(m): _digest(m) for _, m in known})


def _seed(model: Model) -> int | None:
    """The seed that chose its validation rows; None if it held out none."""
    recipe = model.spec.train or {}
    return recipe.get("seed") if recipe.get("validation") else None


def _digest(model: Model) -> tuple[str, str]:
    columns = f"{model.contract.input.columns} {model.spec.in_shape}"
    return ("" if model.fit is None else model.fit.rows.digest), columns


def _multiplicities(model: Model, rows: Rows) -> list[int]:
    """How often each distinct row occurs in a sample of the judged ones."""
    if len(rows) > _SAMPLE:
        taken = random_stream(0, "comparison", "alike").permutation(len(rows))[:_SAMPLE]
        rows = rows.take(np.sort(taken))
    try:
        x = model.contract.input.raw(rows)
    except DataError:
        return [1] * len(rows)
    x = np.ascontiguousarray(x.reshape(len(x), -1), np.float64) + 0.0  # -0.0 is 0.0
    return list(Counter(row.tobytes() for row in x).values())


def expected_overlap(multiplicities: Sequence[int], fitted: int) -> float:
    """The share of rows to expect among ``fitted`` others by coincidence.

    ``multiplicities`` say how often each distinct row occurs in a sample. A row that occurs more
    than once is taken to occur among the fitted; how often the others occur again is estimated
    from the number of pairs (Good, "The Population Frequencies of Species", Biometrika 40, 1953).
    """
    total = sum(multiplicities)
    once = sum(1 for k in multiplicities if k == 1)
    twice = sum(1 for k in multiplicities if k == 2)
    if total == 0:
        return 0.0
    again = 1 - math.exp(-2 * twice * fitted / (total * once)) if once else 0.0
    return (total - once + once * again) / total


def overlap_cautions(
    names: Sequence[str], overlaps: Sequence[Overlap | None], *, trained_here: Sequence[bool]
) -> list[str]:
    """What a reader must know about all contestants, besides the sentences on each difference.

    Those that were ``trained_here`` had the judged rows held out, so a few equal ones are
    coincidence.
    """
    cautions, coincidences = [], []
    for name, overlap, here in zip(names, overlaps, trained_here, strict=True):
        if overlap is None:
            continue
        sentence = seen_sentence(name, overlap.share)
        if overlap.counts:
            cautions.append(f"{sentence}: its numbers are too good and say little about new rows.")
        elif overlap.share > overlap.expected and not here:
            coincidences.append(
                f"{sentence}, which may be coincidence: rows of such tables repeat."
            )
    cautions += coincidences
    known = [overlap for overlap in overlaps if overlap is not None]
    if any(_fitted_differently(known[0], other) for other in known[1:]):
        cautions.append(
            "The contestants were fitted on different rows, so a difference may come from the rows "
            "as well as from the architecture."
        )
    return cautions


def _fitted_differently(first: Overlap, other: Overlap) -> bool:
    """Whether two contestants were fitted on different rows with the same seed."""
    common = first.digests.keys() & other.digests.keys()
    pairs = [(*first.digests[seed], *other.digests[seed]) for seed in common]
    return any(cols == others and mine != theirs for mine, cols, theirs, others in pairs)
