"""The part of a report on costs and answers: Pareto front, confusions, rows of disagreement."""

from __future__ import annotations

from layerkit.comparison.class_answers import DisagreementRow
from layerkit.comparison.cost_figures import answer_figures
from layerkit.comparison.results import ComparisonResult
from layerkit.display import counted
from layerkit.figures.drawing import figure_block
from layerkit.reporting.markup import element, escape
from layerkit.reporting.tables import cell, html_table

_ROWS = 20  # of disagreement


def answers_section(result: ComparisonResult) -> str:
    """Markup; empty without costs that differ, and without classes."""
    found = answer_figures(result)
    table = _disagreements(result)
    if not found and not table:
        return ""
    return element("h2", "Costs and answers") + "".join(map(figure_block, found)) + table


def _disagreements(result: ComparisonResult) -> str:
    answers = result.answers
    if answers is None or len(answers.guesses) < 2:
        return ""
    every = answers.disagreements()
    if not every:
        return ""
    names = list(answers.guesses)
    heads = ["row, from 0", "true class", *names]
    rows = [
        [f"{row.row:,}", escape(row.truth), *(_answer(row, name) for name in names)]
        for row in every[:_ROWS]
    ]
    shown = "the greatest differences first" if len(every) > _ROWS else "all of them"
    note = f"{counted(len(every), 'row')} on which contestants are not right equally often; {shown}"
    return html_table("Rows of disagreement", note, heads, rows)


def _answer(row: DisagreementRow, name: str) -> str:
    """``3 of 5 right``, and the answers with their runs."""
    runs = sum(row.guesses[name].values())
    right = round(row.right[name] * runs)
    listed = ", ".join(
        f"{label} \N{MULTIPLICATION SIGN}{n}" for label, n in row.guesses[name].items()
    )
    return cell(f"{right} of {runs} right", escape(listed))
