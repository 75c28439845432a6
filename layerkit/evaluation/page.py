"""A report as one HTML page that holds everything, for readers who were not there."""

from __future__ import annotations

import math
from collections.abc import Sequence

from layerkit.display import counted, quoted
from layerkit.evaluation.pictures import evaluation_figures
from layerkit.evaluation.residuals import in_unit
from layerkit.evaluation.results import ClassScores, EvaluationResult, Residuals
from layerkit.figures.drawing import figure_block
from layerkit.reporting.markup import element, escape
from layerkit.reporting.numbers import metric_text
from layerkit.reporting.page import html_document, page_header, paragraphs
from layerkit.reporting.tables import html_table

_CLASSES, _PAIRS, _TARGETS = 100, 12, 8
_NONE = "–"


def html_page(r: EvaluationResult) -> str:
    """The whole page as text; it loads nothing and runs no script."""
    sections = [_pictures(r), _metrics(r), _details(r), _meaning(r)]
    footer = f"{', '.join(f'{name} {version}' for name, version in r.versions.items())}. "
    footer += "Made by layerkit eval. This page needs no network."
    return html_document(f"{r.name} evaluated", _header(r), sections, footer)


def _header(r: EvaluationResult) -> str:
    facts = [f"data: {r.source}", counted(r.rows, f"{r.split} row" if _named(r) else "row")]
    if r.file_id:
        facts.append(f"model: {r.file_id[:19]}…")
    claim, evidence = _claim(r)
    small = element("span", escape(evidence), class_="evidence")
    title = element("h1", f"{escape(claim)} ", small)
    cautions = [text[:1].upper() + text[1:] + "." for text in r.cautions]
    return page_header("layerkit evaluation", title, facts, paragraphs(cautions, "caution"))


def _named(r: EvaluationResult) -> bool:
    return r.split is not None and r.split != "all"


def _claim(r: EvaluationResult) -> tuple[str, str]:
    """The result in words, and what it must be held against."""
    c = r.classes
    if c is not None:
        what = "answers" if c.several else "rows"
        guess = "the more frequent answer" if c.several else quoted(c.majority, 40)
        return (
            f"{r.name}: {_per_cent(c.accuracy)} of the {what} right",
            f"Always guessing {guess}: {_per_cent(c.majority_share)}. "
            f"Balanced accuracy: {_per_cent(c.balanced_accuracy)}.",
        )
    if len(r.residuals) == 1:
        (one,) = r.residuals
        spread, own, bias = in_unit(one, one.spread, one.target_spread, one.bias)
        return (
            f"{r.name}: predictions of {one.name} are typically off by {spread}",
            f"That is the residuals' standard deviation; the true values' is {own}. Bias: {bias}.",
        )
    return f"{r.name} on {counted(r.rows, 'row')}", ""


def _per_cent(share: float) -> str:
    return metric_text("accuracy", share)


def _pictures(r: EvaluationResult) -> str:
    drawn = evaluation_figures(r)
    return element("div", *map(figure_block, drawn), class_="pair") if drawn else ""


def _metrics(r: EvaluationResult) -> str:
    rows = [
        [
            escape(name),
            metric_text(name, value),
            "higher is better" if r.higher_is_better[name] else "lower is better",
        ]
        for name, value in r.metrics.items()
    ]
    note = f"over {counted(r.rows, 'row')}"
    return element("h2", "Numbers") + html_table("Metrics", note, ["metric", "value", ""], rows)


def _details(r: EvaluationResult) -> str:
    c = r.classes
    if c is not None:
        return _class_table(c) + _confusions(c)
    return "".join(
        [
            _residual_table(r.residuals) if r.residuals else "",
            *(_worst_rows(one) for one in r.residuals[:_TARGETS]),
        ]
    )


def _class_table(c: ClassScores) -> str:
    f1 = c.f1.tolist()
    order = list(range(len(f1)))
    note = f"{len(f1):,} of them"
    if len(f1) > _CLASSES:
        order = sorted((j for j in order if math.isfinite(f1[j])), key=lambda j: (f1[j], j))
        order = order[:_CLASSES]
        note = f"the {len(order)} of {len(f1):,} with the lowest F1"
    series = c.precision, c.recall, c.f1, c.auc
    rows = [
        [
            escape(str(c.names[j])),
            f"{int(c.support[j]):,}",
            f"{int(c.guessed[j]):,}",
            *(_share(float(s[j])) for s in series),
        ]
        for j in order
    ]
    means = [_share(c.means[name]) for name in ("precision", "recall", "f1", "auc")]
    rows.append([f"mean of all {len(f1):,}", "", "", *means])
    what = "answer" if c.several else "class"
    heads = [what, "rows", "guessed", "precision", "recall", "F1", "AUC"]
    return html_table("Answers" if c.several else "Classes", note, heads, rows)


def _share(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else _NONE


def _confusions(c: ClassScores) -> str:
    pairs = c.worst_confusions(_PAIRS)
    if not pairs:
        return ""
    rows = [
        [escape(str(p.true)), escape(str(p.guessed)), f"{p.rows:,}", f"{100 * p.share:.1f} %"]
        for p in pairs
    ]
    heads = ["true class", "guessed", "rows", "of the class"]
    return html_table("Confusions", "the most frequent", heads, rows)


def _residual_table(residuals: Sequence[Residuals]) -> str:
    heads = ["target", "bias", "spread", "spread of true", "5 %", "25 %", "median", "75 %", "95 %"]
    rows = [
        [
            escape(r.name),
            *in_unit(r, r.bias, r.spread, r.target_spread),
            *in_unit(r, *list(r.quantiles.values())[1:-1]),
        ]
        for r in residuals
    ]
    return html_table("Residuals", "predicted minus true", heads, rows)


def _worst_rows(r: Residuals) -> str:
    rows = [[str(w.row), *in_unit(r, w.true, w.predicted, w.residual)] for w in r.worst]
    heads = ["row", "true", "predicted", "residual"]
    return html_table(f"Worst rows for {r.name}", "counted from 0", heads, rows)


_CLASS_NOTES = {
    "precision": "Of the rows guessed to be of a class, the share that are.",
    "recall": "Of the rows of a class, the share that were guessed to be.",
    "F1": "The harmonic mean of precision and recall.",
    "AUC": "The chance that a row of the class scores above a row of the others; 0.5: no skill.",
    "balanced accuracy": "The mean recall of the classes: the accuracy if all had as many rows.",
    _NONE: "No row measures it.",
}
_NUMBER_NOTES = {
    "bias, spread": "Mean and standard deviation of the residuals. Always predicting the mean "
    "would have the spread of the true values.",
    "5 %, median, 95 %": "Quantiles of the residuals.",
}


def _meaning(r: EvaluationResult) -> str:
    notes = _NUMBER_NOTES if r.task == "numbers" else _CLASS_NOTES
    items = (element("dt", escape(t)) + element("dd", escape(text)) for t, text in notes.items())
    return element("h2", "What the numbers mean") + element("dl", *items)
