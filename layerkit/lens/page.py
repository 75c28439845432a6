"""The lens as one HTML page: the pictures, each with what is seen, and the tables of layers."""

from __future__ import annotations

from layerkit.display import counted
from layerkit.figures.drawing import figure_block
from layerkit.lens.figures import figures
from layerkit.lens.results import Lens, Score
from layerkit.lens.words import REDUNDANCY, main_metric
from layerkit.reporting.markup import element, escape
from layerkit.reporting.numbers import fixed, is_share, metric_text
from layerkit.reporting.page import html_document, page_header, paragraphs
from layerkit.reporting.tables import html_table

_NONE = "–"


def html_page(seen: Lens) -> str:
    """The whole page as text; it loads nothing and runs no script."""
    pictures = "".join(map(figure_block, figures(seen)))
    drawn = element("h2", "Pictures") + element("div", pictures, class_="pair") if pictures else ""
    sections = [drawn, _layers(seen), _meaning()]
    footer = "Made by layerkit lens. This page needs no network."
    return html_document(f"{seen.model} through the lens", _header(seen), sections, footer)


def _header(seen: Lens) -> str:
    facts = [f"data: {seen.source}", counted(seen.rows, "row"), counted(len(seen.blocks), "layer")]
    facts += [f"{name}: {metric_text(name, s.value)}" for name, s in list(seen.whole.items())[:2]]
    title = element("h1", escape(f"What the layers of {seen.model} do"))
    return page_header("layerkit lens", title, facts, paragraphs(seen.notes, "caution"))


def _layers(seen: Lens) -> str:
    metric = main_metric(seen) if seen.whole else ""
    heads = ["layer", "type", "gate", "spread", "drift", "change"]
    heads += [f"{metric} without it", "more"] if metric else []
    rows = []
    for one in seen.blocks:
        cells = [escape(one.name), escape(one.type)]
        gates = one.gates
        cells += [_NONE, _NONE] if gates is None else [_number(gates.mean), _number(gates.spread)]
        moved = [f"{escape(d.parameter)} {fixed(d.mean, 3, sign=True)}" for d in one.drift]
        cells.append(", ".join(moved) or _NONE)
        cells.append(_NONE if one.change is None else _number(one.change.median))
        if metric:
            cells += _lesion(metric, None if one.without is None else one.without[metric])
        rows.append(cells)
    return element("h2", "Layers") + html_table("Layers", "in their order", heads, rows)


def _number(value: float) -> str:
    return fixed(value, 3)


def _lesion(metric: str, score: Score | None) -> list[str]:
    if score is None:
        return [_NONE, _NONE]
    more = [score.gap, *(end for end in (score.gap_low, score.gap_high) if end is not None)]
    factor, decimals = (100, 2) if is_share(metric) else (1, 4)  # of shares in points
    gap, *ends = [fixed(factor * value, decimals, sign=True) for value in more]
    return [metric_text(metric, score.value), f"{gap} ({' to '.join(ends)})" if ends else gap]


_NOTES = {
    "gate": "The mean of T over rows and units; spread: the standard deviation of the units.",
    "drift": "How far the bias of the gate has moved on average from where the spec started it.",
    "change": "How far the layer moves what it carries, relative to its size: the median row.",
    "more": "The score without the layer minus that of the whole model, shares in points, with "
    f"its 95 % interval over the same rows. {REDUNDANCY}",
    _NONE: "The layer shows no gate, has no carry, or the rows have no labels.",
}


def _meaning() -> str:
    items = (element("dt", escape(t)) + element("dd", escape(text)) for t, text in _NOTES.items())
    return element("h2", "What the numbers mean") + element("dl", *items)
