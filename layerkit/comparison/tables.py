"""A comparison as rows of text, as CSV and as JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from layerkit.comparison.notes import training_notices
from layerkit.comparison.numbers import count, duration, ratios
from layerkit.comparison.outcome import Comparison
from layerkit.comparison.results import Contestant, Difference, Summary
from layerkit.comparison.wording import amount, bounds, mean_and_sd
from layerkit.data.spreadsheet import line
from layerkit.display import byte_size, jsonable

__all__ = ["csv_text", "json_values", "seconds_text", "terminal_table"]

NONE = "–"


def terminal_table(comparison: Comparison) -> list[list[str]]:
    """Headings, then a row for each contestant; differences are in the main metric."""
    level = f"{100 * comparison.confidence:g} %"
    first = comparison.contestants[0].name
    heads = ["contestant", "seeds", "parameters", "MACs/row", "file", "training"]
    heads += comparison.metrics
    mixed = _mixed(comparison)
    heads += [f"{comparison.metric} − {first}", f"{level} interval"]
    heads += ["over", "a new run wins"] if mixed else ["a new run wins"]
    timed = any(c.timing for c in comparison.contestants)
    heads += ["one row", "row in batch"] if timed else []
    lines = (_line(comparison, c, timed=timed, mixed=mixed) for c in comparison.contestants)
    return [heads, *lines]


def _mixed(comparison: Comparison) -> bool:
    """Whether any interval speaks of one chance alone, so that each must say which."""
    found = [c.differences.get(comparison.metric) for c in comparison.contestants]
    return any(d is not None and d.both is None for d in found)


def _line(comparison: Comparison, c: Contestant, *, timed: bool, mixed: bool) -> list[str]:
    d = c.differences.get(comparison.metric)
    cells = [
        c.name,
        _runs(c),
        count(c.parameters),
        count(c.macs),
        NONE if c.file_bytes is None else byte_size(c.file_bytes),
        seconds_text(c.training_seconds),
    ]
    cells += [
        mean_and_sd(c.metrics[name]) if name in c.metrics else NONE for name in comparison.metrics
    ]
    told = [NONE] * 4 if d is None else [amount(d), _ends(d), _over(d), _wins(d)]
    cells += told if mixed else [*told[:2], told[3]]
    if timed and c.timing is not None:
        cells += [
            f"{duration(c.timing.single)} ({ratios(c.timing.single_ratio)})",
            f"{duration(c.timing.batch)} ({ratios(c.timing.batch_ratio)})",
        ]
    return cells + [NONE] * (2 if timed and c.timing is None else 0)


def _runs(c: Contestant) -> str:
    """How many; ``3 of 5`` if the others diverged."""
    done = count(len(c.seeds))
    return f"{done} of {count(len(c.seeds) + len(c.failures))}" if c.failures else done


def _ends(d: Difference) -> str:
    shown = d.interval
    return NONE if shown is None else bounds(shown, share=d.share, rows=d.count, sign=True)


def _over(d: Difference) -> str:
    shown = d.interval
    if shown is None:
        return NONE
    return {"both": "seeds and rows", "rows": "rows", "seeds": "seeds"}[shown.over]


def _wins(d: Difference) -> str:
    found = d.improvement
    return NONE if found is None else f"{100 * found.probability:.0f} %"


def seconds_text(summary: Summary | None) -> str:
    """``1.33 ± 0.05 s``, or a dash for models that were not trained here."""
    return NONE if summary is None else f"{mean_and_sd(summary)} s"


_INTERVAL = ("low", "high", "joint_low", "joint_high", "n")


def csv_text(comparison: Comparison) -> str:
    """One line for each contestant and metric; empty cells where there is no number."""
    lines = [
        {**_costs(c), **_numbers(name, summary, c.differences.get(name))}
        for c in comparison.contestants
        for name, summary in _metrics_of(c)
    ]
    return "".join(f"{line(cells)}\n" for cells in (lines[0], *(each.values() for each in lines)))


def _metrics_of(c: Contestant) -> list[tuple[str, Summary | None]]:
    """Its metrics, or one without a name for a contestant whose trainings all diverged."""
    return list(c.metrics.items()) or [("", None)]


def _costs(c: Contestant) -> dict[str, Any]:
    training, timing = c.training_seconds, c.timing
    return {
        "contestant": c.name,
        "kind": c.kind,
        "seeds": " ".join(str(s) for s in c.seeds if s is not None),
        "diverged": len(c.failures),
        "fitted_on_judged_rows": c.seen,
        "kept_runs": len(c.kept),
        "warnings": "; ".join(n.text for n in c.notices),
        "parameters": c.parameters,
        "macs": c.macs,
        "file_bytes": c.file_bytes,
        "training_seconds_mean": None if training is None else training.mean,
        "training_seconds_sd": None if training is None else training.sd,
        "microseconds_single": None if timing is None else timing.single * 1e6,
        "microseconds_batch": None if timing is None else timing.batch * 1e6,
        "ratio_single": None if timing is None else timing.single_ratio[1],
        "ratio_batch": None if timing is None else timing.batch_ratio[1],
        "batch_rows": None if timing is None else timing.batch_rows,
    }


def _numbers(name: str, s: Summary | None, d: Difference | None) -> dict[str, Any]:
    line: dict[str, Any] = {
        "metric": name,
        "n": None if s is None else s.n,
        "mean": None if s is None else s.mean,
        "sd": None if s is None else s.sd,
        "low": None if s is None or s.interval is None else s.interval.low,
        "high": None if s is None or s.interval is None else s.interval.high,
        "interval_over": None if s is None or s.interval is None else s.interval.over,
        "difference": None if d is None else d.mean,
        "verdict": None if d is None else d.verdict,
        "verdict_covers": None if d is None or d.verdict is None else d.covers,
        "new_run_wins": None if d is None or d.improvement is None else d.improvement.probability,
    }
    for over in ("both", "seeds", "rows"):
        interval = None if d is None else getattr(d, over)
        for key in _INTERVAL:
            line[f"difference_{over}_{key}"] = None if interval is None else getattr(interval, key)
    return line


def json_values(comparison: Comparison) -> dict[str, Any]:
    """Every field, plus the words; numbers that are not finite become None."""
    found: dict[str, Any] = jsonable(asdict(comparison))
    for held, c in zip(found["contestants"], comparison.contestants, strict=True):
        held["metrics"] = {
            name: {**held["metrics"][name], "n": s.n} for name, s in c.metrics.items()
        }
    return {
        "headline": comparison.headline,
        **found,
        "warnings": training_notices(comparison),
        "comparisons": comparison.comparisons,
        "footnotes": comparison.footnotes,
    }
