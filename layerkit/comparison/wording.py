"""What a comparison says in words: values with their spread, verdicts, the headline.

Words claim a difference only where every interval there is excludes zero, after widening for the
number of comparisons; and they always say which chance an interval speaks about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from layerkit.comparison.intervals import Interval, Levels
from layerkit.comparison.numbers import decimals_for, fixed, plural, spread
from layerkit.comparison.results import Contestant, Difference, Summary, Verdict

__all__ = [
    "amount",
    "basis",
    "bounds",
    "headline",
    "mean_and_sd",
    "ranked",
    "sentence",
    "verdict_of",
    "why_no_seeds",
]


def mean_and_sd(summary: Summary) -> str:
    """``96.67 ± 0.47 %``; without a spread the value alone."""
    if math.isnan(summary.mean):
        return "not defined"
    scale, unit = (100, " %") if summary.share else (1, "")
    sd = None if summary.sd is None else scale * summary.sd
    width = spread(summary.interval.low, summary.interval.high) if summary.interval else None
    places = decimals_for(sd or (None if width is None else scale * width), scale * summary.mean)
    text = fixed(scale * summary.mean, places)
    return f"{text}{unit}" if sd is None else f"{text} ± {fixed(sd, places)}{unit}"


def bounds(
    interval: Interval, *, share: bool, sign: bool = False, joint: bool = False, unit: str = ""
) -> str:
    """``71.9 to 76.3``, in per cent or points if ``share``."""
    scale = 100 if share else 1
    low, high = interval.low, interval.high
    places = decimals_for(scale * spread(low, high), scale * high)
    if joint:  # as many digits as the narrower one, so that the two can be compared
        low, high = interval.joint_low, interval.joint_high
    places = max(places, *(_visible(scale * bound, places) for bound in (low, high)))
    return (
        f"{fixed(scale * low, places, sign=sign)} to {fixed(scale * high, places, sign=sign)}"
        + (f" {unit}" if unit else "")
    )


def _visible(bound: float, places: int) -> int:
    """Places that show a bound beside zero as what it is, not as 0."""
    while places < 9 and bound != 0 and round(bound, places) == 0:
        places += 1
    return places


def amount(difference: Difference, *, sign: bool = True) -> str:
    """``+74.1 points``: as many digits as its interval deserves."""
    scale, unit = (100, " points") if difference.share else (1, "")
    interval = difference.seeds or difference.rows
    width = None if interval is None else scale * spread(interval.low, interval.high)
    value = scale * difference.mean if sign else abs(scale * difference.mean)
    return fixed(value, decimals_for(width, value), sign=sign) + unit


def basis(interval: Interval) -> str:
    """``5 seeds`` or ``397 rows``: what an interval rests on."""
    return plural(interval.n, "seed" if interval.over == "seeds" else "row")


def _evidence(
    interval: Interval, d: Difference, levels: Levels, *, sign: bool = True, mirror: bool = False
) -> str:
    """``95 % interval 71.9 to 76.3, 5 seeds``; mirrored to go with the size of a fall."""
    if mirror:
        low, high, joint_low, joint_high = (
            -interval.high, -interval.low, -interval.joint_high, -interval.joint_low,
        )  # fmt: skip
        interval = replace(interval, low=low, high=high, joint_low=joint_low, joint_high=joint_high)
    jointly = "" if levels.comparisons < 2 else f", jointly over {levels.comparisons} comparisons"
    ends = bounds(interval, share=d.share, joint=True, sign=sign)
    return f"({100 * levels.confidence:g} % interval {ends}{jointly}, {basis(interval)})"


def verdict_of(
    mean: float, seeds: Interval | None, rows: Interval | None, higher_is_better: bool
) -> Verdict:
    """Settled only if there is an interval and every one excludes zero."""
    intervals = [i for i in (seeds, rows) if i is not None]
    if not intervals or not all(i.excludes_zero for i in intervals):
        return "open"
    if len({i.joint_low > 0 for i in intervals}) > 1:
        return "open"
    return "better" if (mean > 0) == higher_is_better else "worse"


def why_no_seeds(values: Sequence[float], models: int) -> str:
    """Why there is no interval over seeds: from the paired differences and the models at hand."""
    shared = len(values)
    if models == 2:
        return "one training run each, so nothing tells how other runs would differ"
    if shared == 0:
        return "no seed in common, so nothing tells how other training runs would differ"
    if shared == 1:
        return "one pair of training runs, so nothing tells how other runs would differ"
    if len(set(values)) == 1:
        return (
            f"the difference is the same in all {shared} seeds, so the spread between training "
            "runs cannot be told"
        )
    return "some values are no numbers"


def sentence(
    name: str, first: str, d: Difference, levels: Levels, no_seeds: str
) -> tuple[str, str]:
    """The difference in a sentence with its interval, and what that leaves open."""
    main = d.seeds or d.rows
    if main is None:
        return f"{name} minus {first} in {d.metric} is {amount(d)}.", _capital(no_seeds)
    if main.excludes_zero:
        side = "better" if (d.mean > 0) == d.higher_is_better else "worse"
        here = "" if d.verdict != "open" else " on these rows"
        text = (
            f"{name} is {side} than {first} in {d.metric} by "
            f"{amount(d, sign=False)}{here} "
            f"{_evidence(main, d, levels, sign=False, mirror=d.mean < 0)}."
        )
    else:
        text = (
            f"Not settled: {name} minus {first} in {d.metric} is {amount(d)} "
            f"{_evidence(main, d, levels)}."
        )
    return text, _limits(d, main, levels, no_seeds)


def _limits(d: Difference, main: Interval, levels: Levels, no_seeds: str) -> str:
    """What the interval in the sentence leaves open."""
    said = []
    if not main.excludes_zero and (main.low > 0 or main.high < 0):
        alone = bounds(main, share=d.share, sign=True)
        said.append(f"Taken alone, its interval would exclude zero ({alone}).")
    if d.seeds is None:
        said.append(f"This speaks of these very models on other rows: {no_seeds}.")
    elif d.rows is not None and d.seeds.excludes_zero and not d.rows.excludes_zero:
        said.append(f"Another test set could say otherwise {_evidence(d.rows, d, levels)}.")
    elif d.rows is not None and d.rows.excludes_zero and not d.seeds.excludes_zero:
        rows = _evidence(d.rows, d, levels)
        said.append(f"These very models do differ {rows}, but other training runs might not.")
    return " ".join(said)


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


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
        return [_alone(c, metric) for c in contestants if metric in c.metrics]
    return [f"{d.words} {d.caveat}".rstrip() for d in differences]


def _alone(contestant: Contestant, metric: str) -> str:
    summary = contestant.metrics[metric]
    text = f"{contestant.name}: {metric} {mean_and_sd(summary)}"
    if summary.interval is None:
        return text + "."
    unit = "%" if summary.share else ""
    return (
        f"{text} (interval {bounds(summary.interval, share=summary.share, unit=unit)}, "
        f"{basis(summary.interval)})."
    )
