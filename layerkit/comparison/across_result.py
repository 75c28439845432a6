"""The result of a comparison over several data sets, as plain values and as text.

``AcrossDataSets`` adds pictures and a page.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from layerkit.comparison import formatting as fmt
from layerkit.comparison.comparison import Comparison
from layerkit.comparison.results import Summary
from layerkit.data.spreadsheet import line
from layerkit.display import counted, jsonable
from layerkit.reporting.numbers import fixed, level_text, percent, significant
from layerkit.statistics.aggregates import Aggregate
from layerkit.statistics.ranks import Friedman
from layerkit.statistics.signed_ranks import SignedRanks

LEAST = 6
"""Data sets without which ranks tell nothing: with five, even five wins have p = 0.0625."""

Verdict = Literal["better", "worse", "open"]

_NONE = "–"


@dataclass(frozen=True)
class RankPair:
    """Two contestants over all data sets: the other against the first.

    Attributes
    ----------
    first, other
        Names.
    wins, losses, ties
        Data sets on which the other's mean is better, worse, the same.
    rank_difference
        The other's average rank minus the first's; below zero if the other is better.
    signed
        Wilcoxon's signed ranks of this pair alone; None where a mean is not defined.
    p_holm
        Its probability, adjusted for all pairs (Holm).
    improvement
        The probability that a new run of the other beats a new run of the first.
    verdict
        "better" or "worse" if told apart, else "open"; None with too few data sets.
    """

    first: str
    other: str
    wins: int
    losses: int
    ties: int
    rank_difference: float
    signed: SignedRanks | None
    p_holm: float | None
    improvement: Aggregate
    verdict: Verdict | None

    def chance_text(self, basis: str = "") -> str:
        """The probability that a new run wins: ``71 % (60 to 81 %)``, with what that rests on."""
        found = self.improvement
        if found.low is None or found.high is None:
            return percent(found.value)
        return f"{percent(found.value)} ({100 * found.low:.0f} to {percent(found.high)}{basis})"


@dataclass(frozen=True)
class AcrossResult:
    """Contestants judged on several data sets, the unit of chance; runs are averaged first.

    Attributes
    ----------
    contestants, data
        Names, in the order given.
    metric
        Of the table and the ranks: the main metric of the recipes.
    means, ranks, diverged
        A row per data set, a column per contestant. Runs that diverged count in the mean of a share
        as runs with no row right; elsewhere they leave no mean, and the last rank.
    average_ranks
        Of each contestant, 1 the best.
    friedman
        The test whether all are equal.
    critical_difference
        Of two average ranks (Nemenyi), for more than two contestants.
    groups
        Contestants of which no two are told apart, best first; empty with too few data sets.
    pairs
        Every pair, in the order of the contestants.
    interquartile_means
        Of each contestant over all runs on all data sets; None where scores have no common scale:
        errors, and losses.
    confidence
        Of each interval and verdict.
    comparisons
        The comparison on each data set alone.
    command
        The command that repeats it.
    """

    contestants: tuple[str, ...]
    data: tuple[str, ...]
    metric: str
    means: tuple[tuple[float, ...], ...]
    ranks: tuple[tuple[float, ...], ...]
    diverged: tuple[tuple[int, ...], ...]
    average_ranks: tuple[float, ...]
    friedman: Friedman
    critical_difference: float | None
    groups: tuple[tuple[str, ...], ...]
    pairs: tuple[RankPair, ...]
    interquartile_means: tuple[Aggregate | None, ...]
    confidence: float
    comparisons: tuple[Comparison, ...]
    command: str = ""

    @property
    def enough(self) -> bool:
        """Whether there are data sets enough for a verdict."""
        return len(self.data) >= LEAST

    @property
    def share(self) -> bool:
        """Whether the metric is a share of right rows."""
        summaries = [c.metrics.get(self.metric) for f in self.comparisons for c in f.contestants]
        return all(s.share for s in summaries if s is not None)

    @property
    def order(self) -> list[int]:
        """Numbers of the contestants by average rank, best first."""
        return sorted(range(len(self.contestants)), key=lambda j: self.average_ranks[j])

    @property
    def headline(self) -> list[str]:
        """The result in sentences."""
        return [*_test_sentences(self), *(_pair_sentence(self, p) for p in _with_first(self))]

    @property
    def footnotes(self) -> list[str]:
        """What the numbers mean, and do not mean."""
        return _footnotes(self)

    def table(self) -> list[list[str]]:
        """Headings, a row per data set, and the average ranks."""
        rows = [["data set", *self.contestants]]
        for name, found, lost in zip(self.data, self.comparisons, self.diverged, strict=True):
            cells = [_cell(c.metrics.get(self.metric), n)
                     for c, n in zip(found.contestants, lost, strict=True)]  # fmt: skip
            rows.append([name, *cells])
        if any(self.interquartile_means):
            cells = [_NONE if v is None else _level(v.value, share=self.share)
                     for v in self.interquartile_means]  # fmt: skip
            rows.append(["interquartile mean", *cells])
        return [*rows, ["average rank", *(f"{rank:.3f}" for rank in self.average_ranks)]]

    def diagram(self) -> list[str]:
        """The critical-difference line in text, best first: bars join those not told apart."""
        names = [self.contestants[j] for j in self.order]
        wide = max(map(len, names))
        lines = []
        for j, name in zip(self.order, names, strict=True):
            bars = " ".join("|" if name in group else " " for group in self.groups)
            lines.append(f"{self.average_ranks[j]:7.3f}  {name:<{wide}}  {bars}".rstrip())
        return lines

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values, the comparison on each data set included."""
        values: dict[str, Any] = jsonable(
            {k: v for k, v in _fields(self).items() if k != "comparisons"}
        )
        return {
            "headline": self.headline,
            **values,
            "enough": self.enough,
            "footnotes": self.footnotes,
            "comparisons": [found.to_json() for found in self.comparisons],
        }

    def to_csv(self) -> str:
        """One line per data set and contestant, after a line of headings."""
        lines = [line(["data", "contestant", "metric", "mean", "sd", "runs", "diverged", "rank"])]
        for i, (name, found) in enumerate(zip(self.data, self.comparisons, strict=True)):
            for j, c in enumerate(found.contestants):
                s = c.metrics.get(self.metric)
                lines.append(line([
                    name, self.contestants[j], self.metric, self.means[i][j],
                    s and s.sd, s.n if s else 0, self.diverged[i][j], self.ranks[i][j],
                ]))  # fmt: skip
        return "".join(f"{each}\n" for each in lines)


def _fields(found: AcrossResult) -> dict[str, Any]:
    """The fields as values, without copying the comparisons."""
    held = dict(vars(found))
    held["friedman"] = asdict(found.friedman)
    held["pairs"] = [asdict(pair) for pair in found.pairs]
    held["interquartile_means"] = [v and asdict(v) for v in found.interquartile_means]
    return held


def _cell(summary: Summary | None, lost: int) -> str:
    if summary is None:
        return "diverged"
    return fmt.mean_and_sd(summary) + (f", {lost} diverged" if lost else "")


def _level(value: float, *, share: bool) -> str:
    return f"{fixed(100 * value, 2)} %" if share else significant(value, 4)


def _with_first(found: AcrossResult) -> list[RankPair]:
    """The pairs of the first contestant, the best other first."""
    pairs = [pair for pair in found.pairs if pair.first == found.contestants[0]]
    return sorted(pairs, key=lambda pair: pair.rank_difference)


def probability_text(p: float) -> str:
    """``p = 0.020``, or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _test_sentences(found: AcrossResult) -> list[str]:
    """What can be said of all contestants together."""
    n, k = len(found.data), len(found.contestants)
    if not found.enough:
        return [
            f"{counted(n, 'data set')} are too few: ranks cannot tell contestants apart below "
            f"{LEAST}, whatever the runs say."
        ]
    if k == 2:
        return []
    p = probability_text(found.friedman.p)
    if found.critical_difference is None or found.friedman.p >= 1 - found.confidence:
        return [f"No difference between the {k} contestants is shown (Friedman's test, {p})."]
    return [
        f"The contestants differ (Friedman's test, {p}); two are told apart if their average ranks "
        f"differ by {found.critical_difference:.2f} (Nemenyi, {level_text(found.confidence)})."
    ]


def _pair_sentence(found: AcrossResult, pair: RankPair) -> str:
    ties = f", {counted(pair.ties, 'tie')}" if pair.ties else ""
    losses = f"{pair.losses} {'loss' if pair.losses == 1 else 'losses'}"
    sets = counted(len(found.data), "data set")
    wins = f"{counted(pair.wins, 'win')}, {losses}{ties} on {sets}"
    chance = f"a new run wins with probability {pair.chance_text(' over other runs')}"
    test = ""
    if len(found.contestants) == 2 and pair.signed is not None and found.enough:
        test = f", Wilcoxon's signed ranks {probability_text(pair.signed.p)}"
    verdict = {
        "better": "is better than",
        "worse": "is worse than",
        "open": "is not told apart from",
        None: "against",
    }[pair.verdict]
    return f"{pair.other} {verdict} {pair.first}: {wins}{test}; {chance}."


def _footnotes(found: AcrossResult) -> list[str]:
    notes = [
        f"Each cell is the mean of its runs in {found.metric}; the data sets are what is counted, "
        "so more seeds do not replace more data sets.",
    ]
    lost = sum(map(sum, found.diverged))
    if lost:
        counts = "as runs with no row right" if found.share else "as the last rank"
        notes.append(f"{counted(lost, 'run')} diverged; in ranks they count {counts}.")
    if any(found.interquartile_means):
        notes.append(
            "The interquartile mean leaves out a quarter of all runs on all data sets at each end."
        )
    if all(pair.improvement.low is None for pair in found.pairs):
        notes.append("Intervals over other runs need three runs of each contestant.")
    others = [p for p in found.pairs if found.enough and _contradicts(found, p)]
    if others and len(found.contestants) > 2:
        names = ", ".join(f"{p.other} and {p.first}" for p in others[:5])
        notes.append(
            "Average ranks depend on who else takes part. The signed ranks of each pair alone "
            f"(Wilcoxon, Holm) say otherwise of {names}."
        )
    return notes


def _contradicts(found: AcrossResult, pair: RankPair) -> bool:
    if pair.p_holm is None:
        return False
    return (pair.p_holm < 1 - found.confidence) != (pair.verdict in ("better", "worse"))
