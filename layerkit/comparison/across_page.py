"""The page of a comparison over several data sets."""

from __future__ import annotations

from layerkit.comparison.across_figures import across_figures
from layerkit.comparison.across_result import AcrossResult, probability_text
from layerkit.display import counted
from layerkit.figures.drawing import figure_block
from layerkit.reporting.markup import element, escape
from layerkit.reporting.numbers import level_text
from layerkit.reporting.page import html_document, page_header, paragraphs
from layerkit.reporting.tables import html_table


def across_page(found: AcrossResult) -> str:
    """The whole page as text; it loads nothing and runs no script."""
    claim, *others = found.headline
    facts = [
        counted(len(found.data), "data set"),
        counted(len(found.contestants), "contestant"),
        f"{level_text(found.confidence)} intervals and verdicts",
    ]
    header = page_header(
        "layerkit comparison over data sets",
        element("h1", escape(claim)),
        facts,
        paragraphs(others, "lede"),
    )
    pictures = element("div", *map(figure_block, across_figures(found)), class_="pair")
    sections = [
        element("h2", "Pictures"),
        pictures,
        element("h2", "Numbers"),
        _scores(found),
        _pairs(found),
        element("h2", "What the numbers mean"),
        *(element("p", escape(note)) for note in found.footnotes),
        element("h2", "To repeat it"),
        element("pre", escape(found.command)) if found.command else "",
    ]
    title = f"{len(found.contestants)} contestants on {len(found.data)} data sets"
    return html_document(title, header, sections, "Made by layerkit compare. No network needed.")


def _scores(found: AcrossResult) -> str:
    head, *rows = found.table()
    cells = [[escape(cell) for cell in row] for row in rows]
    return html_table(f"Mean {found.metric}", "runs on each data set", head, cells)


def _pairs(found: AcrossResult) -> str:
    heads = ["pair", "wins", "losses", "ties", "signed ranks", "all pairs (Holm)", "a new run wins"]
    rows = []
    for pair in found.pairs:
        signed = "–" if pair.signed is None else probability_text(pair.signed.p)
        joint = "–" if pair.p_holm is None else probability_text(pair.p_holm)
        counts = [str(pair.wins), str(pair.losses), str(pair.ties)]
        name = f"{pair.other} against {pair.first}"
        rows.append([name, *counts, signed, joint, pair.chance_text()])
    return html_table("Pairs", "data sets counted", heads, [list(map(escape, r)) for r in rows])
