"""The table in docs/explanation/results.md, with what was told apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.tables.peers import PEERS, Array
from layerkit.datacontract.labels import label_of
from layerkit.statistics.estimates import (
    Estimate,
    estimate_from_rows,
    estimate_from_shares,
)

__all__ = ["Scores", "line", "markdown", "write"]

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "results.md"
BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"
OURS, *RIVALS = PEERS
CONFIDENCE = 0.95


class Scores:
    """What each peer scores on one table: (k, n) by seed and test row.

    Accuracy has rows that are right (1) or wrong (0); R² has rows of 1 - e^2 / variance, whose mean
    it is.
    """

    def __init__(self, name: str, rows: int, truth: Array, *, numbers: bool) -> None:
        self.name, self.rows, self.truth, self.numbers = name, rows, truth, numbers
        self.by_peer: dict[str, list[Array]] = {}
        self.seconds: dict[str, list[float]] = {}

    def add(self, peer: str, predicted: Array, seconds: float) -> None:
        """Add the predictions of one run."""
        if self.numbers:
            error = np.asarray(predicted, np.float64) - self.truth
            score = 1 - error**2 / self.truth.var()
        else:
            same = map(_same_class, predicted.tolist(), self.truth.tolist())
            score = np.array(list(same), np.float64)
        self.by_peer.setdefault(peer, []).append(score)
        self.seconds.setdefault(peer, []).append(seconds)

    def table(self, peer: str) -> Array:
        """(k, n) of one peer."""
        return np.stack(self.by_peer[peer])

    def difference(self, rival: str) -> Estimate:
        """The starting spec minus ``rival``, paired by seed and row."""
        gap = self.table(OURS) - self.table(rival)
        return estimate_from_rows(gap) if self.numbers else estimate_from_shares(gap)


def _same_class(one: object, other: object) -> bool:
    return label_of(one) == label_of(other)  # 1.0 is 1


def verdict(scores: Scores, rival: str) -> str:
    """``above``, ``below`` or ``level``, with the difference and its interval in points."""
    found = scores.difference(rival)
    if not found.covers_both:
        return "not measured"
    low, high = found.over_both(CONFIDENCE)
    word = "above" if low > 0 else "below" if high < 0 else "level"
    return f"{word} {100 * found.mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def markdown(found: Mapping[str, Scores]) -> str:
    """One line per table."""
    head = (
        f"| table | training rows | {' | '.join(PEERS)} | minus MLP, same size | minus MLP, 100 |"
    )
    rule = "|---|--:|" + "--:|" * len(PEERS) + "---|---|"
    return "\n".join([head, rule, *map(line, found.values())])


def line(scores: Scores) -> str:
    """The line of one table."""
    cells = [_cell(scores, peer) for peer in PEERS]
    told = [verdict(scores, rival) for rival in RIVALS[:2]]
    name = f"{scores.name}, {'R²' if scores.numbers else 'accuracy'}"
    return f"| {name} | {scores.rows:,} | {' | '.join(cells)} | {' | '.join(told)} |"


def _cell(scores: Scores, peer: str) -> str:
    means = 100 * scores.table(peer).mean(axis=1)
    return f"{means.mean():.1f}" + (f" ± {means.std(ddof=1):.1f}" if len(means) > 1 else "")


def write(text: str) -> None:
    """Put ``text`` between the marks of the page."""
    page = PAGE.read_text("utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")
