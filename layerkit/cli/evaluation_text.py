"""A report as text of at most 80 columns; every number is one of ``EvaluationReport``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from layerkit.cli import console
from layerkit.display import counted, printable, shortened
from layerkit.evaluation.residuals import in_unit

if TYPE_CHECKING:
    from layerkit import EvaluationReport
    from layerkit.evaluation.results import ClassScores, Label, Residuals

_COLUMNS = 80
_AS_IT_IS = 1 << 20  # the width of a table that is drawn to see how wide it is
_CLASSES = 30  # more are not listed, but the ten worst of them
_WORST_CLASSES, _WORST_PAIRS = 10, 8
_TARGETS, _LISTED_TARGETS = 20, 3


def blocks(report: EvaluationReport) -> list[str]:
    """The metrics, then what lies behind them."""
    found = [_metrics(report)]
    c = report.classes
    if c is not None:
        found += [_baseline(c), _class_table(c), _confusions(c), _reliability(c)]
    if report.residuals:
        found += [_residual_table(report.residuals)]
        for r in report.residuals[:_LISTED_TARGETS]:
            title = f"{_short(r.name, 24)}: " if len(report.residuals) > 1 else ""
            found += [_bands(r, title), _worst_rows(r, title)]
    return [block for block in found if block]


def _metrics(report: EvaluationReport) -> str:
    """One line of numbers, or one line for each where they do not fit beside each other."""
    cells = [console.metric(name, value) for name, value in report.metrics.items()]
    table = console.table(list(report.metrics), [cells], "r" * len(cells), limit=_AS_IT_IS)
    if max(map(len, table.split("\n"))) <= _COLUMNS:
        return table
    rows = list(zip(report.metrics, cells, strict=True))
    return console.table(["metric", "value"], rows, "lr")


def _baseline(c: ClassScores) -> str:
    """What an accuracy must be held against."""
    name = "the more frequent answer" if c.several else f"{_short(c.majority, 24)!r} (most rows)"
    shares = c.majority_share, c.balanced_accuracy
    majority, balanced = (console.metric("accuracy", share) for share in shares)
    always, beside = f"always guessing {name} gives {majority}", f"balanced accuracy {balanced}"
    joined = f"{always}; {beside}"
    return joined if len(joined) <= _COLUMNS else f"{always}\n{beside}"


def _class_table(c: ClassScores) -> str:
    """The scores of each class that has rows or guesses; of many classes the worst."""
    what = "answer" if c.several else "class"
    f1 = c.f1.tolist()
    order = [j for j, value in enumerate(f1) if math.isfinite(value)]
    absent = len(f1) - len(order)
    title = note = ""
    if len(order) > _CLASSES:
        order = sorted(order, key=lambda j: (f1[j], j))[:_WORST_CLASSES]
        many = f"{what}{'s' if c.several else 'es'}"
        title = f"the {len(order)} of {len(f1):,} {many} with the lowest F1 (--json has all)\n\n"
    elif absent:
        note = f"\n{absent} more without rows or guesses"
    rows: list[list[object]] = [
        [
            _short(c.names[j], 30),
            f"{int(c.support[j]):,}",
            f"{int(c.guessed[j]):,}",
            *(_share(float(s[j])) for s in (c.precision, c.recall, c.f1, c.auc)),
        ]
        for j in order
    ]
    means = [_share(c.means[name]) for name in ("precision", "recall", "f1", "auc")]
    rows.append(["mean of all" if title else "mean", "", "", *means])
    head = [what, "rows", "guessed", "precision", "recall", "F1", "AUC"]
    return title + console.table(head, rows, "lrrrrrr", total=True) + note


def _share(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"


def _short(name: Label | None, width: int) -> str:
    return shortened(printable(name), width)


def _confusions(c: ClassScores) -> str:
    """The confusion matrix if it fits, else the most frequent confusions."""
    if c.several:
        return ""
    return _matrix(c) if len(c.names) <= _CLASSES and _matrix(c) else _worst_pairs(c)


def _matrix(c: ClassScores) -> str:
    """Rows by class and guess; empty if it is too wide."""
    counts = c.confusion_matrix.tolist()
    names = [_short(name, 24) for name in c.names]
    heads = names
    if max(map(len, names)) > max(4, len(str(int(c.support.max())))):  # columns get numbers
        heads = [str(j + 1) for j in range(len(names))]
        names = [f"{j} {name}" for j, name in zip(heads, names, strict=True)]
    rows = [[name, *(n or "." for n in line)] for name, line in zip(names, counts, strict=True)]
    align = "l" + "r" * len(heads)
    table = console.table(["true \\ guessed", *heads], rows, align, limit=_AS_IT_IS)
    return table if max(map(len, table.split("\n"))) <= _COLUMNS else ""


def _worst_pairs(c: ClassScores) -> str:
    pairs = c.worst_confusions(_WORST_PAIRS + 1)
    if not pairs:
        return ""
    rows = [
        [_short(p.true, 24), _short(p.guessed, 24), f"{p.rows:,}", f"{100 * p.share:.1f} %"]
        for p in pairs[:_WORST_PAIRS]
    ]
    title = "most frequent confusions\n\n" if len(pairs) > _WORST_PAIRS else "confusions\n\n"
    return title + console.table(["true", "guessed", "rows", "of the class"], rows, "llrr")


def _reliability(scores: ClassScores) -> str:
    """The reliability curve, interval by interval."""
    c = scores.calibration
    what = "yes" if scores.several else "the guess" if c.of is None else f"{_short(c.of, 24)!r}"
    rows = []
    for j, count in enumerate(c.rows.tolist()):
        if count:
            low, high = c.edges[j], c.edges[j + 1]
            shares = (f"{100 * s:.1f} %" for s in (float(c.predicted[j]), float(c.observed[j])))
            rows.append([f"{low:.1f} to {high:.1f}", f"{count:,}", *shares])
    table = console.table(["probability", "rows", "predicted", "came true"], rows, "lrrr")
    error = f"off by {100 * c.error:.1f} points on average"
    return f"calibration: the probability of {what} is {error}\n\n{table}"


def _residual_table(residuals: Sequence[Residuals]) -> str:
    head = ["target", "bias", "spread", "of true", "5 %", "median", "95 %"]
    rows = [
        [
            *in_unit(r, r.bias, r.spread, r.target_spread),
            *in_unit(r, *(r.quantiles[share] for share in (0.05, 0.5, 0.95))),
        ]
        for r in residuals[:_TARGETS]
    ]
    widest = [max(map(len, column)) for column in zip(head[1:], *rows, strict=True)]
    room = max(8, _COLUMNS - sum(widest) - 2 * len(widest))
    named = [[_short(r.name, room), *row] for r, row in zip(residuals, rows, strict=False)]
    more = len(residuals) - _TARGETS
    rest = f"\nand {counted(more, 'target')} more (--json has all)" if more > 0 else ""
    title = "residuals: predicted minus true; spread: standard deviation\n\n"
    return title + console.table(head, named, "lrrrrrr") + rest


def _bands(r: Residuals, title: str) -> str:
    rows = [
        [f"{j} of {len(r.bands)}", f"{b.rows:,}", *in_unit(r, b.predicted, b.true)]
        for j, b in enumerate(r.bands, start=1)
    ]
    table = console.table(["part", "rows", "predicted", "true"], rows, "lrrr")
    return f"{title}predicted against true, from the lowest predictions up\n\n{table}"


def _worst_rows(r: Residuals, title: str) -> str:
    rows = [[w.row, *in_unit(r, w.true, w.predicted, w.residual)] for w in r.worst]
    table = console.table(["row", "true", "predicted", "residual"], rows, "rrrr")
    return f"{title}the worst rows, counted from 0\n\n{table}"
