"""What a comparison says in sentences: verdicts, what they cover, and what they leave open.

A sentence about an architecture stands only where both chances, of other runs and of other rows,
were measured and their interval excludes zero, all comparisons holding jointly. Else it is about
the very files or runs at hand, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from layerkit.comparison.intervals import Interval, Levels
from layerkit.comparison.numbers import fixed
from layerkit.comparison.results import Contestant, Difference
from layerkit.comparison.wording import amount, basis, bounds, mean_and_sd
from layerkit.display import counted

__all__ = ["Who", "headline", "ranked", "seen_words", "sentence", "told"]

_MANY_SEEDS, _MANY_ROWS = 200, 20  # more are no advice
_CALLED = {"file": "file", "model": "model", "spec": "run"}


@dataclass(frozen=True)
class Who:
    """A contestant in a sentence: its name, what its models are, and how many there are."""

    name: str
    kind: str
    runs: int
    diverged: int = 0

    @property
    def these(self) -> str:
        """Its models, as in ``this file of plain``."""
        word = _CALLED[self.kind]
        if self.runs == 1:
            return f"this {word} of {self.name}"
        return f"these {self.runs} {word}s of {self.name}"


def sentence(first: Who, other: Who, d: Difference, levels: Levels) -> tuple[str, str]:
    """The difference in a sentence with its interval, and what that leaves open."""
    text = _claim(first, other, d, levels)
    added = [_diverged(who, d) for who in (other, first) if who.diverged]
    added += [
        seen_words(who.name, share)
        for who, share in zip((first, other), d.seen, strict=True)
        if share is not None
    ]
    return "; ".join([text, *added]) + ".", _limits(first, other, d)


def _claim(first: Who, other: Who, d: Difference, levels: Levels) -> str:
    shown = d.interval
    if d.mean != d.mean:
        return f"{d.metric} of {other.name} minus {first.name} is not defined"
    told = "" if shown is None else f" {_evidence(shown, d, levels)}"
    if d.verdict is None:
        return f"{other.name} minus {first.name} in {d.metric}: {amount(d)}{told}"
    rows = "this one row" if d.count == 1 else f"these {d.count:,} rows"
    if d.verdict == "open":
        if d.covers == "architecture":
            return (
                f"Not settled: {other.name} minus {first.name} in {d.metric} is {amount(d)}{told}"
            )
        return (
            f"Not settled: {other.these} minus {first.these} in {d.metric} is {amount(d)} on "
            f"{rows}{told}"
        )
    size = amount(d, sign=False)
    evidence = "" if shown is None else f" {_evidence(_sized(shown, d), d, levels, sign=False)}"
    if d.covers == "architecture":
        return f"{other.name} is {d.verdict} than {first.name} in {d.metric} by {size}{evidence}"
    side = "higher" if d.mean > 0 else "lower"
    return (
        f"On {rows} {other.these} scored a {side} {d.metric} than {first.these}, by "
        f"{size}{evidence}"
    )


def _sized(interval: Interval, d: Difference) -> Interval:
    """Mirrored to go with the size of a fall."""
    if d.mean >= 0:
        return interval
    return replace(
        interval,
        low=-interval.high,
        high=-interval.low,
        joint_low=-interval.joint_high,
        joint_high=-interval.joint_low,
    )


def _evidence(interval: Interval, d: Difference, levels: Levels, *, sign: bool = True) -> str:
    """``(95 % interval 71.9 to 76.3; 5 seeds, 355 rows)``."""
    several = levels.comparisons > 1 and d.verdict is not None
    jointly = f", jointly over {levels.comparisons} comparisons" if several else ""
    ends = bounds(interval, share=d.share, rows=d.count, joint=several, sign=sign)
    return f"({100 * levels.confidence:g} % interval {ends}{jointly}; {basis(interval)})"


def _diverged(who: Who, d: Difference) -> str:
    total = who.runs + (0 if d.counted else who.diverged)
    finished = f"{total - who.diverged} of {counted(total, 'run')} of {who.name} finished"
    text = f"{finished}, {who.diverged} diverged and "
    one = who.diverged == 1
    if d.counted:
        return text + ("counts as 0 %" if one else "count as 0 %")
    return text + ("has no value" if one else "have no value")


def seen_words(name: str, share: float) -> str:
    """``B was fitted on about 75 % of these rows``."""
    return f"{name} was fitted on about {fixed(100 * share, 0)} % of these rows"


def _limits(first: Who, other: Who, d: Difference) -> str:
    """What the interval in the sentence leaves open, and what its width is made of."""
    said = _improvement(first, other, d)
    if d.covers == "files" and d.verdict is not None and d.mean == d.mean:
        said.append(f"This is not about the architectures: {_why_files(first, other, d)}.")
    shown = d.interval
    if shown is not None and d.verdict == "open" and not shown.excludes_zero:
        if shown.low > 0 or shown.high < 0:
            alone = bounds(shown, share=d.share, rows=d.count, sign=True)
            said.append(f"Taken alone, its interval would exclude zero ({alone}).")
        said += _one_alone(d)
    if d.share and shown is not None and shown.joint_high - shown.joint_low > 1:
        said.append(f"{counted(len(d.values), 'seed')} cannot tell.")
    if d.verdict is not None and not d.counted and other.diverged:
        said.append(
            f"A run that diverged has no {d.metric}, so those of {other.name} that did "
            "not give it no lead."
        )
    if any(share is not None for share in d.seen):
        said.append("How a model does on rows that it was fitted on says nothing of others.")
    if d.parts is not None:
        said.append(_made_of(d))
    return " ".join(said)


def _one_alone(d: Difference) -> list[str]:
    """What one chance alone would say, where both together leave it open."""
    if d.both is None:
        return []
    if d.seeds is not None and d.seeds.excludes_zero:
        return ["Other runs on these rows would differ alike, but another test set might not."]
    if d.rows is not None and d.rows.excludes_zero:
        return ["These very models do differ on other rows, but other training runs might not."]
    return []


def _why_files(first: Who, other: Who, d: Difference) -> str:
    if d.count == 1:
        return "one row says nothing of others"
    if max(first.runs, other.runs) == 1:
        return "one training run each, so nothing tells how other runs would differ"
    if not d.pairs:
        return "no seed in common, so nothing tells how other training runs would differ"
    if len(d.pairs) == 1:
        return "one pair of training runs, so nothing tells how other runs would differ"
    if d.rows is None:
        return "how other rows would differ cannot be told"
    return f"the difference is the same in all {len(d.pairs)} seeds, so their chance cannot be told"


def _made_of(d: Difference) -> str:
    """Which chance its width is made of, and what would halve it."""
    parts = d.parts
    assert parts is not None  # noqa: S101  # asked only where there are some
    if parts.seeds >= max(parts.rows, parts.residual):
        source, share = "the seeds", parts.seeds
    elif parts.rows >= parts.residual:
        source, share = "the rows", parts.rows
    else:
        source, share = "seeds and rows together", parts.residual
    ways = []
    if parts.more_seeds is not None and parts.more_seeds <= _MANY_SEEDS:
        ways.append(counted(parts.more_seeds, "more seed"))
    if parts.rows_times is not None and parts.rows_times <= _MANY_ROWS:
        ways.append(f"{parts.rows_times:g} times the rows")
    cure = f"{' or '.join(ways)} would halve it" if ways else "only more of both would halve it"
    width = f"Most of the interval's width comes from {source}"
    return f"{width} ({fixed(100 * share, 0)} % of the variance): {cure}."


def ranked(contestants: Sequence[Contestant], metric: str) -> list[Contestant]:
    """Those that are compared with the first in ``metric``, the best one first."""
    others = [c for c in contestants[1:] if metric in c.differences]

    def rank(c: Contestant) -> float:
        d = c.differences[metric]
        return -d.mean if d.higher_is_better else d.mean

    return sorted(others, key=rank)


def headline(contestants: Sequence[Contestant], metric: str) -> list[str]:
    """One sentence with its caveat for each contestant but the first, the best one's first."""
    differences = [c.differences[metric] for c in ranked(contestants, metric)]
    if not differences:
        alone = [_alone(c, metric) for c in contestants if metric in c.metrics]
        return alone or ["Nothing to compare: every run diverged."]
    return [told(d) for d in differences]


def told(d: Difference) -> str:
    """Its sentence and what that leaves open."""
    return f"{d.words} {d.caveat}".rstrip()


def _improvement(first: Who, other: Who, d: Difference) -> list[str]:
    found = d.improvement
    if found is None or d.verdict is None:
        return []
    share, low, high = (fixed(100 * v, 0) for v in (found.probability, found.low, found.high))
    return [
        f"A new run of {other.name} beats a new run of {first.name} in {share} % of cases "
        f"({low} to {high} %)."
    ]


def _alone(contestant: Contestant, metric: str) -> str:
    summary = contestant.metrics[metric]
    text = f"{contestant.name}: {metric} {mean_and_sd(summary)}"
    if contestant.failures:
        total = len(contestant.failures) + len(contestant.seeds)
        text += f", {len(contestant.failures)} of {counted(total, 'run')} diverged"
    if summary.interval is None:
        return text + "."
    unit = "%" if summary.share else ""
    ends = bounds(summary.interval, share=summary.share, rows=summary.rows, unit=unit)
    return f"{text} (interval {ends}; {basis(summary.interval)})."
