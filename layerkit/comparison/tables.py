"""A comparison as rows of text, as CSV and as JSON values."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from layerkit.comparison import formatting as fmt
from layerkit.comparison.class_answers import ClassAnswers
from layerkit.comparison.footnotes import footnotes, training_warnings
from layerkit.comparison.results import (
    ComparisonResult,
    Contestant,
    Difference,
    Summary,
    Timing,
)
from layerkit.comparison.sentences import headline
from layerkit.data.spreadsheet import line
from layerkit.display import byte_size, jsonable
from layerkit.reporting.numbers import duration, level_text, percent

NONE = "–"
_DISAGREEMENTS = 100  # rows of a JSON document


def terminal_table(result: ComparisonResult) -> list[list[str]]:
    """Headings, then one row per contestant; differences are in the main metric."""
    metric, first = result.metric, result.contestants[0].name
    differences = [c.differences.get(metric) for c in result.contestants]
    # Where an interval covers one source of variation only, each row says which it covers.
    mixed = any(d is not None and d.both is None for d in differences)
    timed = any(c.timing for c in result.contestants)
    heads = ["contestant", "seeds", "parameters", "MACs/row", "file", "training", *result.metrics]
    heads += [f"{metric} − {first}", f"{level_text(result.confidence)} interval"]
    heads += ["over", "a new run wins"] if mixed else ["a new run wins"]
    heads += ["one row", "row in batch"] if timed else []
    table = [heads]
    for c, d in zip(result.contestants, differences, strict=True):
        done = f"{len(c.seeds):,}"
        cells = [
            c.name,
            f"{done} of {len(c.seeds) + len(c.failures):,}" if c.failures else done,
            f"{c.parameters:,}",
            count_text(c.macs),
            NONE if c.file_bytes is None else byte_size(c.file_bytes),
            seconds_text(c.training_seconds),
        ]
        cells += [fmt.mean_and_sd(c.metrics[m]) if m in c.metrics else NONE for m in result.metrics]
        amount, ends, over, wins = _difference_cells(d)
        cells += [amount, ends, over, wins] if mixed else [amount, ends, wins]
        cells += _time_cells(c) if timed else []
        table.append(cells)
    return table


def _difference_cells(d: Difference | None) -> tuple[str, str, str, str]:
    """The difference, its interval, what that covers, and how often a new run wins."""
    if d is None:
        return NONE, NONE, NONE, NONE
    ends = over = NONE
    if d.interval is not None:
        ends = fmt.difference_ends(d.interval, d)
        over = "seeds and rows" if d.interval.over == "both" else d.interval.over
    wins = NONE if d.improvement is None else percent(d.improvement.probability)
    return fmt.difference_text(d), ends, over, wins


def _time_cells(c: Contestant) -> list[str]:
    if c.timing is None:
        return [NONE, NONE]
    in_batch = f"{duration(c.timing.batch)} ({fmt.ratio_text(c.timing.batch_ratio)})"
    return [time_text(c.timing), in_batch]


def time_text(timing: Timing) -> str:
    """What a row alone takes, and its ratio to the first."""
    return f"{duration(timing.single)} ({fmt.ratio_text(timing.single_ratio)})"


def count_text(count: int | None) -> str:
    """``1,234``, or a question mark for what is not known."""
    return "?" if count is None else f"{count:,}"


def seconds_text(summary: Summary | None) -> str:
    """``1.33 ± 0.05 s``, or a dash for models that were not trained here."""
    return NONE if summary is None else f"{fmt.mean_and_sd(summary)} s"


def csv_text(result: ComparisonResult) -> str:
    """One line per contestant and metric; a contestant without metrics has one line as well."""
    lines = [
        {**_cost_columns(c), **_metric_columns(name, summary, c.differences.get(name))}
        for c in result.contestants
        for name, summary in c.metrics.items() or [("", None)]
    ]
    return "".join(f"{line(cells)}\n" for cells in (lines[0], *(each.values() for each in lines)))


def _cost_columns(c: Contestant) -> dict[str, Any]:
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
        "training_seconds_mean": training and training.mean,
        "training_seconds_sd": training and training.sd,
        "microseconds_single": timing and timing.single * 1e6,
        "microseconds_batch": timing and timing.batch * 1e6,
        "ratio_single": timing and timing.single_ratio[1],
        "ratio_batch": timing and timing.batch_ratio[1],
        "batch_rows": timing and timing.batch_rows,
    }


def _metric_columns(name: str, s: Summary | None, d: Difference | None) -> dict[str, Any]:
    interval = s and s.interval
    columns: dict[str, Any] = {
        "metric": name,
        "n": s and s.n,
        "mean": s and s.mean,
        "sd": s and s.sd,
        "low": interval and interval.low,
        "high": interval and interval.high,
        "interval_over": interval and interval.over,
        "difference": d and d.mean,
        "verdict": d and d.verdict,
        "verdict_covers": d.covers if d is not None and d.verdict is not None else None,
        "new_run_wins": d and d.improvement and d.improvement.probability,
    }
    for over in ("both", "seeds", "rows"):
        held = None if d is None else getattr(d, over)
        for key in ("low", "high", "joint_low", "joint_high", "n"):
            columns[f"difference_{over}_{key}"] = held and getattr(held, key)
    return columns


def json_values(result: ComparisonResult) -> dict[str, Any]:
    """Every field, and the sentences; numbers that are not finite become None."""
    answers = result.answers
    values: dict[str, Any] = jsonable(asdict(replace(result, answers=None)))
    for held, c in zip(values["contestants"], result.contestants, strict=True):
        for name, summary in c.metrics.items():
            held["metrics"][name]["n"] = summary.n
    return {
        "headline": headline(result),
        **values,
        "warnings": training_warnings(result),
        "comparisons": result.comparisons,
        "footnotes": footnotes(result),
        "answers": None if answers is None else _answers(answers),
    }


def _answers(found: ClassAnswers) -> dict[str, Any]:
    """Confusions by contestant, and the rows on which contestants disagree most."""
    rows = found.disagreements()
    return {
        "classes": list(found.classes),
        "confusions": {name: found.confusion(name).tolist() for name in found.guesses},
        "disagreements": len(rows),
        "rows": [asdict(row) for row in rows[:_DISAGREEMENTS]],
    }
