"""Whether contestants were fitted on the rows that they are judged on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerkit.comparison.sentences import seen_words
from layerkit.core.rng import random_stream
from layerkit.core.rows import Rows
from layerkit.datacontract.fitted_rows import share_seen
from layerkit.errors import DataError
from layerkit.model import Model

__all__ = ["Seen", "expected_alike", "seen_cautions", "seen_of"]

_SAMPLE = 2000  # judged rows in which equal ones are counted
_MORE = 0.02  # beyond what equal rows explain


@dataclass(frozen=True)
class Seen:
    """What a contestant's files tell of the judged rows.

    Attributes
    ----------
    share
        Of the judged rows that equal fitted ones, the largest of its models'.
    alike
        The share to expect where rows are equal by nature, as in small tables of whole numbers.
    digests
        By seed, of the rows that a model was fitted on, in any order, and the columns it saw.
    """

    share: float
    alike: float
    digests: dict[int | None, tuple[str, str]]

    @property
    def counts(self) -> bool:
        """Whether it was fitted on judged rows, beyond rows that happen to be equal."""
        return self.share > self.alike + _MORE


def seen_of(models: Sequence[Model], rows: Rows) -> Seen | None:
    """Of one contestant's ``models``; None if no model knows what it was fitted on."""
    shares = [(model, share_seen(model, rows)) for model in models]
    known = [(share, model) for model, share in shares if share is not None]
    if not known:
        return None
    share, model = max(known, key=lambda pair: pair[0])
    assert model.fit is not None  # noqa: S101  # or there were no share
    alike = (
        0.0 if share == 0 else expected_alike(_multiplicities(model, rows), model.fit.rows.count)
    )
    return Seen(share, alike, {_seed(m): _digest(m) for _, m in known})


def _seed(model: Model) -> int | None:
    """Of its validation rows; None where it kept none, so that the seed changes no row."""
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
    seen: dict[bytes, int] = {}
    for row in x:
        key = row.tobytes()
        seen[key] = seen.get(key, 0) + 1
    return list(seen.values())


def expected_alike(multiplicities: Sequence[int], fitted: int) -> float:
    """The share of rows to be expected among ``fitted`` others by nature alone.

    ``multiplicities`` say how often each distinct row occurs in a sample. A row that occurs more
    than once is taken to occur among the fitted; those that occur once are drawn about as often
    again as the number of pairs tells (Good, "The Population Frequencies of Species", Biometrika
    40, 1953).
    """
    total = sum(multiplicities)
    once = sum(1 for k in multiplicities if k == 1)
    twice = sum(1 for k in multiplicities if k == 2)
    if total == 0:
        return 0.0
    again = 1 - math.exp(-2 * twice * fitted / (total * once)) if once else 0.0
    return (total - once + once * again) / total


def seen_cautions(
    names: Sequence[str], seen: Sequence[Seen | None], *, trained_here: Sequence[bool]
) -> list[str]:
    """What is to be said of all contestants, beyond the sentences on each difference.

    Those that were ``trained_here`` had the judged rows set apart, so a few equal ones are chance.
    """
    found = [
        f"{seen_words(name, s.share)}: its numbers flatter it and say little of new rows."
        for name, s in zip(names, seen, strict=True)
        if s is not None and s.counts
    ]
    found += [
        f"{seen_words(name, s.share)}, which may be chance: rows of such tables repeat."
        for name, s, here in zip(names, seen, trained_here, strict=True)
        if s is not None and not s.counts and s.share > s.alike and not here
    ]
    known = [s for s in seen if s is not None]
    if any(_differ(known[0], other) for other in known[1:]):
        found.append(
            "The contestants were fitted on different rows, so a difference may come from the rows "
            "as well as from the architecture."
        )
    return found


def _differ(first: Seen, other: Seen) -> bool:
    """Whether two contestants were fitted on other rows under the same seed."""
    for seed in first.digests.keys() & other.digests.keys():
        (mine, columns), (theirs, others) = first.digests[seed], other.digests[seed]
        if columns == others and mine != theirs:
            return True
    return False
