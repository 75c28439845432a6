"""The report: one HTML page with everything in it, for people who were not there."""

from __future__ import annotations

import json
from functools import partial

from layerkit.comparison.notes import (
    FILE_NOTE,
    best_note,
    interval_notes,
    kept_note,
    timing_note,
    training_note,
    training_notices,
    unsteady_note,
)
from layerkit.comparison.outcome import Comparison
from layerkit.comparison.report.blocks import (
    VERDICTS,
    architecture,
    badge,
    cost_table,
    figure,
    metric_table,
)
from layerkit.comparison.report.curves import curve_plot, has_curve, swatch
from layerkit.comparison.report.dots import dot_plot
from layerkit.comparison.report.forest import forest_plot
from layerkit.comparison.report.style import STYLE
from layerkit.comparison.report.text import escape
from layerkit.comparison.sentences import told
from layerkit.display import counted

__all__ = ["page"]


def page(comparison: Comparison) -> str:
    """The whole page as text, in UTF-8 once written; it loads nothing and runs no script."""
    names = " and ".join(c.name for c in comparison.contestants[:2])
    more = len(comparison.contestants) - 2
    title = f"{names}{f' and {more} more' if more > 0 else ''} compared"
    body = "".join(
        part(comparison)
        for part in (_top, _results, _tables, _learning, _architectures, _meaning, _again)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{body}</main><footer>Made by layerkit compare. This page needs no network."
        "</footer></body></html>\n"
    )


def _top(c: Comparison) -> str:
    seeds = max((len(k.seeds) + len(k.failures) for k in c.contestants), default=0)
    even = all(len(k.seeds) + len(k.failures) == seeds for k in c.contestants)
    split = "test" if c.on == "test" else "validation"
    facts = [
        f"data: {c.data}",
        counted(c.rows, f"{split} row"),
        f"{'' if even else 'up to '}{counted(seeds, 'seed')} each",
        f"{100 * c.confidence:g} % intervals",
    ]
    chips = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    warned = [*c.cautions, *training_notices(c)]
    cautions = "".join(f'<p class="caution">{escape(text)}</p>' for text in warned)
    more = [note for note in (best_note(c), kept_note(c)) if note]
    cautions += "".join(f'<p class="lede">{escape(text)}</p>' for text in more)
    return (
        f'<header class="top"><p class="kicker">layerkit comparison</p>{_claim(c)}'
        f'<ul class="facts">{chips}</ul>{cautions}</header><main>'
    )


def _claim(c: Comparison) -> str:
    """The answer in words, before any number."""
    others = c.ranked
    if not others:
        return f"<h1>{escape(c.headline[0] if c.headline else 'Nothing to judge')}</h1>"
    if len(others) == 1:
        d = others[0].differences[c.metric]
        said, _, evidence = d.words.removesuffix(".").rpartition(" (")
        rest = told(d).removeprefix(d.words).strip()
        caveat = f'<p class="lede">{escape(rest)}</p>' if rest else ""
        if not said:
            return f"<h1>{escape(d.words)}</h1>{caveat}"
        shown = f'<span class="evidence">{escape(_unbracketed(evidence))}</span>'
        return f"<h1>{escape(said)} {shown}</h1>{caveat}"
    items = "".join(
        f"<li>{badge(d.verdict)}<span>{escape(_without_label(told(d)))}</span></li>"
        for d in (k.differences[c.metric] for k in others)
        if d.verdict is not None
    )
    return f'<h1>{escape(_tally(c))}</h1><ul class="verdicts">{items}</ul>'


def _unbracketed(evidence: str) -> str:
    """``95 % interval 1 to 2; 5 seeds); more`` without the bracket that was opened before it."""
    return evidence.replace(")", "", 1)


def _tally(c: Comparison) -> str:
    """``Against plain in accuracy: 1 better, 2 not settled``."""
    verdicts = [k.differences[c.metric].verdict for k in c.ranked]
    first = c.contestants[0].name
    if set(verdicts) <= {"open"}:
        return f"Nothing is settled against {first} in {c.metric}"
    parts = [f"{verdicts.count(v)} {words}" for v, words in VERDICTS.items() if v in verdicts]
    return f"Against {first} in {c.metric}: {', '.join(parts)}"


def _without_label(words: str) -> str:
    """The sentence without the verdict that its badge shows already."""
    return words.removeprefix("Not settled: ").strip()


def _results(c: Comparison) -> str:
    parts = [
        figure(
            lambda key, width: dot_plot(c.contestants, c.metric, key, width),
            "dots",
            "Small dots: single seeds. Large mark: their mean, with its interval "
            "(dashed: one model, over rows alone).",
        )
    ]
    if c.compared:
        joint = " Thin lines: widened to hold jointly." if c.comparisons > 1 else ""
        parts.append(
            figure(
                lambda key, width: forest_plot(c.contestants, c.metric, key, width),
                "forest",
                "Difference to the first contestant. both: would it hold for other runs on other "
                "rows; below, the chance of the runs (seeds) and of the rows alone. Small dots: "
                f"single seeds.{joint}",
            )
        )
    return f'<h2>The answer in {escape(c.metric)}</h2><div class="pair">{"".join(parts)}</div>'


def _tables(c: Comparison) -> str:
    notes = [FILE_NOTE]
    if any(k.timing for k in c.contestants):
        notes.append(timing_note(c))
    if any(k.training_seconds is None for k in c.contestants):
        notes.append(training_note())
    shown = "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    unsteady = unsteady_note(c)
    if unsteady is not None:
        shown = f'<p class="caution">{escape(unsteady)}</p>{shown}'
    tables = "".join(metric_table(c, metric) for metric in c.metrics)
    return f"<h2>The numbers</h2>{tables}{cost_table(c)}{shown}"


def _learning(c: Comparison) -> str:
    """Loss while training and on validation rows, and the main metric on validation rows."""
    wanted = [("loss", "Training loss"), ("val_loss", "Validation loss")]
    validated = f"val_{c.metric}"
    main = validated if has_curve(c.contestants, validated) else c.metric
    if c.metric != "loss":
        kind = "Validation" if main == validated else "Training"
        wanted.append((main, f"{kind} {c.metric}{' in per cent' if _share(c) else ''}"))
    drawn = [(s, t) for s, t in wanted if has_curve(c.contestants, s)]
    if not drawn:
        return ""
    legend = "".join(f"<li>{swatch(i)} {escape(k.name)}</li>" for i, k in enumerate(c.contestants))
    several = any(len(k.histories) > 1 for k in c.contestants)
    caption = (
        "Strong line: mean over seeds. Thin lines: single seeds." if several else "One run each."
    )
    figures = "".join(
        f"<div><h3>{escape(title)}</h3>"
        + figure(
            partial(_curve, c, series, title),
            f"curve-{number}",
            caption,
        )
        + "</div>"
        for number, (series, title) in enumerate(drawn)
    )
    losses = {json.dumps((k.document.get("train") or {}).get("loss")) for k in c.contestants}
    warning = (
        '<p class="note">The contestants were trained by different losses: compare the shapes of '
        "their loss curves, not the heights.</p>"
        if len(losses) > 1
        else ""
    )
    return (
        f'<h2>How they learned</h2><ul class="legend">{legend}</ul>{warning}'
        f'<div class="pair">{figures}</div>'
    )


def _curve(c: Comparison, series: str, title: str, key: str, width: float) -> str:
    share = series != "loss" and series != "val_loss" and _share(c)
    return curve_plot(c.contestants, series, title, key, width, share=share)


def _share(c: Comparison) -> bool:
    return any(k.metrics[c.metric].share for k in c.contestants if c.metric in k.metrics)


def _architectures(c: Comparison) -> str:
    cards = "".join(architecture(i, k) for i, k in enumerate(c.contestants))
    return f'<h2>What was compared</h2><div class="cards">{cards}</div>'


def _meaning(c: Comparison) -> str:
    if not c.compared:
        return ""
    items = "".join(
        f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in interval_notes(c)
    )
    methods = {
        i.method
        for k in c.contestants
        for d in k.differences.values()
        for i in (d.both, d.seeds, d.rows)
        if i is not None
    }
    by = f"<dt>Computed by</dt><dd>{escape('; '.join(sorted(methods)))}.</dd>" if methods else ""
    return f"<h2>What the intervals say, and do not say</h2><dl>{items}{by}</dl>"


def _again(c: Comparison) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in c.versions.items())
    specs = "".join(
        f"<details><summary>Resolved spec of {escape(k.name)}</summary>"
        f"<pre>{escape(json.dumps(k.document, indent=2, ensure_ascii=False))}</pre></details>"
        for k in c.contestants
    )
    hint = (
        '<p class="note">Contestants without a file: save the specs below under these names.</p>'
        if any(not k.sources for k in c.contestants)
        else ""
    )
    return (
        f"<h2>Do it again</h2><pre>{escape(c.command)}</pre>{hint}{specs}"
        f'<p class="note">{escape(versions)}. Equal seeds give equal bits for equal kernels, '
        "versions and kind of processor; times differ.</p>"
    )
