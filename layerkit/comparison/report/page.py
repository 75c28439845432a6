"""The report: one HTML page that holds everything, for readers who were not there."""

from __future__ import annotations

import json

from layerkit.comparison.footnotes import (
    cost_notes,
    interval_notes,
    run_notes,
    training_warnings,
    unsteady_notes,
)
from layerkit.comparison.pictures import curve_figures, score_figures
from layerkit.comparison.report.answers import answers_section
from layerkit.comparison.report.html_tables import (
    VERDICTS,
    architecture_card,
    cost_table,
    metric_table,
    verdict_badge,
)
from layerkit.comparison.results import ComparisonResult
from layerkit.comparison.sentences import full_sentence, headline
from layerkit.display import counted
from layerkit.figures.drawing import figure_block
from layerkit.reporting.markup import element, escape
from layerkit.reporting.numbers import level_text
from layerkit.reporting.page import html_document, page_header, paragraphs
from layerkit.reporting.versions import listed


def html_page(result: ComparisonResult) -> str:
    """The whole page as text; it loads nothing and runs no script."""
    names = [c.name for c in result.contestants]
    *first, last = names if len(names) < 4 else [*names[:2], f"{len(names) - 2} more"]
    title = f"{', '.join(first)} and {last} compared" if first else f"{last} judged"
    sections = (_charts, _tables, answers_section, _curves, _architectures, _meaning, _reproduction)
    footer = "Made by layerkit compare. This page needs no network."
    return html_document(title, _header(result), (section(result) for section in sections), footer)


def _header(r: ComparisonResult) -> str:
    runs = [len(c.seeds) + len(c.failures) for c in r.contestants]
    most = max(runs, default=0)
    facts = [
        f"data: {r.data}",
        counted(r.rows, f"{r.on} row"),
        f"{'' if set(runs) <= {most} else 'up to '}{counted(most, 'seed')} each",
        f"{level_text(r.confidence)} intervals",
    ]
    return page_header(
        "layerkit comparison",
        _claim(r),
        facts,
        paragraphs([*r.cautions, *training_warnings(r)], "caution"),
        paragraphs(run_notes(r), "lede"),
    )


def _claim(r: ComparisonResult) -> str:
    """The result in words, before any number."""
    differences = [c.differences[r.metric] for c in r.ranked]
    if not differences:
        return element("h1", escape(headline(r)[0]))
    if len(differences) > 1:
        items = [
            element(
                "li",
                verdict_badge(d.verdict),
                element("span", escape(full_sentence(d).removeprefix("Not settled: "))),
            )
            for d in differences
            if d.verdict is not None
        ]
        return element("h1", escape(_tally(r))) + element("ul", *items, class_="verdicts")
    (d,) = differences
    caveat = paragraphs([d.caveat] if d.caveat else [], "lede")
    claim, _, evidence = d.words.removesuffix(".").rpartition(" (")
    if not claim:
        return element("h1", escape(d.words)) + caveat
    # The evidence stands on its own line, without the bracket around it.
    small = element("span", escape(evidence.replace(")", "", 1)), class_="evidence")
    return element("h1", f"{escape(claim)} ", small) + caveat


def _tally(r: ComparisonResult) -> str:
    """``Against plain in accuracy: 1 better, 2 not settled``."""
    verdicts = [c.differences[r.metric].verdict for c in r.ranked]
    first = r.contestants[0].name
    if set(verdicts) <= {"open"}:
        return f"Nothing is settled against {first} in {r.metric}"
    parts = [f"{verdicts.count(v)} {words}" for v, words in VERDICTS.items() if v in verdicts]
    return f"Against {first} in {r.metric}: {', '.join(parts)}"


def _charts(r: ComparisonResult) -> str:
    """The runs and the differences."""
    title = element("h2", f"Results in {escape(r.metric)}")
    return title + element("div", *map(figure_block, score_figures(r)), class_="pair")


def _tables(r: ComparisonResult) -> str:
    return "".join(
        [
            element("h2", "Numbers"),
            *(metric_table(r, metric) for metric in r.metrics),
            cost_table(r),
            paragraphs(unsteady_notes(r), "caution"),
            paragraphs(cost_notes(r), "note"),
        ]
    )


def _curves(r: ComparisonResult) -> str:
    """Loss on training and validation rows, and the main metric on validation rows."""
    drawn = curve_figures(r)
    if not drawn:
        return ""
    warning = (
        "The contestants were trained with different losses: compare the shapes of their loss "
        "curves, not the heights."
    )
    losses = {json.dumps((c.document.get("train") or {}).get("loss")) for c in r.contestants}
    return "".join(
        [
            element("h2", "Learning curves"),
            paragraphs([warning] if len(losses) > 1 else [], "note"),
            element("div", *map(figure_block, drawn), class_="pair"),
        ]
    )


def _architectures(r: ComparisonResult) -> str:
    cards = (architecture_card(i, c) for i, c in enumerate(r.contestants))
    return element("h2", "Contestants") + element("div", *cards, class_="cards")


def _meaning(r: ComparisonResult) -> str:
    if not r.compared:
        return ""
    differences = [d for c in r.contestants for d in c.differences.values()]
    methods = {i.method for d in differences for i in (d.both, d.seeds, d.rows) if i is not None}
    notes = interval_notes(r)
    if methods:
        notes.append(("Computed by", f"{'; '.join(sorted(methods))}."))
    items = (element("dt", escape(t)) + element("dd", escape(text)) for t, text in notes)
    return element("h2", "What the intervals mean") + element("dl", *items)


def _reproduction(r: ComparisonResult) -> str:
    hint = "Contestants without a file: save the specs below under these names."
    specs = [
        element(
            "details",
            element("summary", f"Resolved spec of {escape(c.name)}"),
            element("pre", escape(json.dumps(c.document, indent=2, ensure_ascii=False))),
        )
        for c in r.contestants
    ]
    same = (
        f"{listed(r.versions)}. Equal seeds give equal bits with equal kernels, versions and kind "
        "of processor; times differ."
    )
    return "".join(
        [
            element("h2", "Reproduce"),
            element("pre", escape(r.command)),
            paragraphs([] if all(c.sources for c in r.contestants) else [hint], "note"),
            *specs,
            paragraphs([same], "note"),
        ]
    )
