"""The result in sentences: verdicts, what they cover, and what they leave open.

A sentence about an architecture appears only if both sources of variation, runs and rows, were
measured and their interval excludes zero, all comparisons holding jointly. Otherwise it is about
the files or runs at hand, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from layerkit.comparison import formatting as fmt
from layerkit.comparison.results import ComparisonResult, Contestant, Difference, Kind
from layerkit.display import counted
from layerkit.reporting.numbers import level_text, percent
from layerkit.statistics.estimates import VarianceShares
from layerkit.statistics.intervals import Interval, Levels

_MOST_SEEDS, _MOST_ROWS = 200, 20  # more seeds, or more times the rows, are no useful advice


@dataclass(frozen=True)
class ContestantLabel:
    """A contestant in a sentence: its name, what its models are, and how many there are."""

    name: str
    kind: Kind
    runs: int
    diverged: int = 0

    @property
    def these_runs(self) -> str:
        """Its models: ``this file of plain``."""
        word = "run" if self.kind == "spec" else self.kind
        if self.runs == 1:
            return f"this {word} of {self.name}"
        return f"these {self.runs} {word}s of {self.name}"


def headline(result: ComparisonResult) -> list[str]:
    """One sentence with its caveat for each contestant but the first, the best one's first."""
    metric = result.metric
    if result.compared:
        return [full_sentence(c.differences[metric]) for c in result.ranked]
    alone = [_alone(c, metric) for c in result.contestants if metric in c.metrics]
    return alone or ["Nothing to compare: every run diverged."]


def full_sentence(d: Difference) -> str:
    """The sentence of a difference and what it leaves open."""
    return f"{d.words} {d.caveat}".rstrip()


def _alone(contestant: Contestant, metric: str) -> str:
    summary = contestant.metrics[metric]
    text = f"{contestant.name}: {metric} {fmt.mean_and_sd(summary)}"
    if contestant.failures:
        total = len(contestant.failures) + len(contestant.seeds)
        text += f", {len(contestant.failures)} of {counted(total, 'run')} diverged"
    if summary.interval is None:
        return text + "."
    return f"{text} (interval {fmt.summary_ends(summary)}; {fmt.interval_basis(summary.interval)})."


def seen_sentence(name: str, share: float) -> str:
    """``B was fitted on about 75 % of these rows``."""
    return f"{name} was fitted on about {percent(share)} of these rows"


def difference_sentence(
    first: ContestantLabel, other: ContestantLabel, d: Difference, levels: Levels
) -> tuple[str, str]:
    """The difference in a sentence with its interval, and what that leaves open."""
    parts = [_claim(first, other, d, levels)]
    parts += [_diverged(label, d) for label in (other, first) if label.diverged]
    parts += [
        seen_sentence(label.name, share)
        for label, share in zip((first, other), d.seen, strict=True)
        if share is not None
    ]
    return "; ".join(parts) + ".", " ".join(_caveats(first, other, d))


def _claim(first: ContestantLabel, other: ContestantLabel, d: Difference, levels: Levels) -> str:
    if d.mean != d.mean:
        return f"{d.metric} of {other.name} minus {first.name} is not defined"
    gap = f"{other.name} minus {first.name} in {d.metric}"
    amount = f"{fmt.difference_text(d)}{_evidence(d.interval, d, levels)}"
    if d.verdict is None:
        return f"{gap}: {amount}"
    if d.verdict == "open" and d.covers == "architecture":
        return f"Not settled: {gap} is {amount}"
    rows = "this one row" if d.count == 1 else f"these {d.count:,} rows"
    if d.verdict == "open":
        return (
            f"Not settled: {other.these_runs} minus {first.these_runs} in {d.metric} is "
            f"{fmt.difference_text(d)} on {rows}{_evidence(d.interval, d, levels)}"
        )
    interval = d.interval if d.interval is None or d.mean >= 0 else _mirrored(d.interval)
    size = f"{fmt.difference_text(d, sign=False)}{_evidence(interval, d, levels, sign=False)}"
    if d.covers == "architecture":
        return f"{other.name} is {d.verdict} than {first.name} in {d.metric} by {size}"
    side = "higher" if d.mean > 0 else "lower"
    return (
        f"On {rows} {other.these_runs} scored a {side} {d.metric} than {first.these_runs}, by "
        f"{size}"
    )


def _mirrored(interval: Interval) -> Interval:
    """The interval of the opposite difference."""
    return replace(
        interval,
        low=-interval.high,
        high=-interval.low,
        joint_low=-interval.joint_high,
        joint_high=-interval.joint_low,
    )


def _evidence(
    interval: Interval | None, d: Difference, levels: Levels, *, sign: bool = True
) -> str:
    """`` (95 % interval 71.9 to 76.3; 5 seeds, 355 rows)``."""
    if interval is None:
        return ""
    joint = levels.comparisons > 1 and d.verdict is not None
    jointly = f", jointly over {levels.comparisons} comparisons" if joint else ""
    ends = fmt.difference_ends(interval, d, joint=joint, sign=sign)
    basis = fmt.interval_basis(interval)
    return f" ({level_text(levels.confidence)} interval {ends}{jointly}; {basis})"


def _diverged(label: ContestantLabel, d: Difference) -> str:
    total = label.runs + (0 if d.counted else label.diverged)
    finished = f"{total - label.diverged} of {counted(total, 'run')} of {label.name} finished"
    if d.counted:
        effect = "counts as 0 %" if label.diverged == 1 else "count as 0 %"
    else:
        effect = "has no value" if label.diverged == 1 else "have no value"
    return f"{finished}, {label.diverged} diverged and {effect}"


def _caveats(first: ContestantLabel, other: ContestantLabel, d: Difference) -> list[str]:
    """What the interval in the sentence leaves open, and what makes it so wide."""
    caveats = []
    if d.verdict is not None:
        if d.improvement is not None:
            wins, low = percent(d.improvement.probability), 100 * d.improvement.low
            caveats.append(
                f"A new run of {other.name} beats a new run of {first.name} in {wins} of cases "
                f"({low:.0f} to {percent(d.improvement.high)})."
            )
        if d.covers == "files" and d.mean == d.mean:
            reason = _why_only_files(first, other, d)
            caveats.append(f"This says nothing about the architectures: {reason}.")
    shown = d.interval
    if shown is not None and d.verdict == "open" and not shown.excludes_zero:
        if shown.low > 0 or shown.high < 0:
            ends = fmt.difference_ends(shown, d)
            caveats.append(f"Taken alone, its interval would exclude zero ({ends}).")
        if d.both is not None and d.seeds is not None and d.seeds.excludes_zero:
            caveats.append(
                "Other runs would differ on these rows too, but another test set might not show it."
            )
        elif d.both is not None and d.rows is not None and d.rows.excludes_zero:
            caveats.append(
                "These models would differ on other rows too, but other training runs might not."
            )
    if d.share and shown is not None and shown.joint_high - shown.joint_low > 1:
        caveats.append(f"Too few to tell: {fmt.interval_basis(shown)}.")
    if d.verdict is not None and not d.counted and other.diverged:
        caveats.append(
            f"Diverged runs have no {d.metric}, so the finished runs of {other.name} give it no "
            "lead."
        )
    if any(share is not None for share in d.seen):
        caveats.append("Results on rows that a model was fitted on say nothing about other rows.")
    if d.parts is not None:
        caveats.append(_variance_sentence(d.parts))
    return caveats


def _why_only_files(first: ContestantLabel, other: ContestantLabel, d: Difference) -> str:
    if d.count == 1:
        return "one row says nothing about other rows"
    if d.rows is None and len(d.pairs) > 1:
        return "the variation between rows cannot be measured"
    if len(d.pairs) > 1:
        same = f"the difference is the same in all {len(d.pairs)} seeds"
        return f"{same}, so the variation between runs cannot be measured"
    if max(first.runs, other.runs) == 1:
        known = "one training run each"
    else:
        known = "one pair of training runs" if d.pairs else "no seed in common"
    return f"with {known}, the variation between runs is unknown"


def _variance_sentence(parts: VarianceShares) -> str:
    """Which source of variation makes the interval wide, and what would halve it."""
    sources = {
        "the seeds": parts.seeds,
        "the rows": parts.rows,
        "seeds and rows together": parts.residual,
    }
    largest = max(sources, key=lambda name: sources[name])
    cures = []
    if parts.more_seeds is not None and parts.more_seeds <= _MOST_SEEDS:
        cures.append(counted(parts.more_seeds, "more seed"))
    if parts.rows_times is not None and parts.rows_times <= _MOST_ROWS:
        cures.append(f"{parts.rows_times:g} times the rows")
    cure = " or ".join(cures) or "only more seeds and more rows together"
    share = percent(sources[largest])
    width = f"Most of the interval's width comes from {largest} ({share} of the variance)"
    return f"{width}: {cure} would halve it."
