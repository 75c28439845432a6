"""The report of a study: one HTML page that holds everything, for readers who were not there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from layerkit.comparison import formatting as fmt
from layerkit.comparison.class_answers import disputed
from layerkit.comparison.report.html_tables import time_cells
from layerkit.display import counted, shortened
from layerkit.figures import Figure
from layerkit.figures.drawing import figure_block
from layerkit.reporting.markup import element, escape
from layerkit.reporting.numbers import level_text, percent
from layerkit.reporting.page import html_document, page_header, paragraphs
from layerkit.reporting.tables import cell, html_table
from layerkit.reporting.versions import listed, versions
from layerkit.runs.folder import model_file
from layerkit.studies.inference import time_notes
from layerkit.studies.pictures import StudyView
from layerkit.studies.row_numbers import row_numbers
from layerkit.studies.search_words import search_section

_NONE = "–"
_RUNS, _ROWS, _FIELDS, _VALUES, _NAMED = 200, 12, 40, 8, 2


def study_page(view: StudyView, figures: Iterable[Figure], command: str) -> str:
    """The whole page as text; it loads nothing and runs no script.

    ``figures`` are those of the study and any others that belong to it.
    """
    s = view.study
    pictures = "".join(map(figure_block, figures))
    sections = [
        element("h2", "Pictures") + element("div", pictures, class_="pair") if pictures else "",
        element("h2", "Points") + _points(view),
        "" if s.search is None else search_section(s.search, s.axes),
        _disagreements(view),
        _differences(view),
        _reproduction(view, command),
    ]
    footer = f"{listed(versions())}. Made by layerkit study. This page needs no network."
    return html_document(f"{s.name}: a study", _header(view), sections, footer)


def _header(view: StudyView) -> str:
    s = view.study
    seeds = max((len(row.seeds) for row in s.rows), default=0)
    facts = [
        counted(len(s.rows), "point"),
        f"up to {counted(seeds, 'seed')} each",
        f"{s.done} of {counted(s.total, 'run')} finished",
        f"{level_text(s.confidence)} intervals",
    ]
    cautions = []
    if s.done < s.total:
        cautions.append("Not finished: the same command trains the rest.")
    lost = [(row, len(row.diverged)) for row in s.rows if row.diverged]
    cautions += [f"{view.title(row)}: {counted(n, 'run')} diverged." for row, n in lost]
    if len(s.kernels) > 1:
        cautions.append(f"Runs differ in what ran the layers: {'; '.join(s.kernels)}.")
    return page_header("layerkit study", element("h1", escape(_claim(view))), facts,
                       paragraphs(cautions, "caution"))  # fmt: skip


def _claim(view: StudyView) -> str:
    """The best point in words, and which are not told apart from it."""
    if not view.valued:
        return f"{view.study.name}: no run is finished"
    _, best = view.valued[0]
    score = "" if best.summary is None else fmt.mean_and_sd(best.summary)
    text = f"{view.title(best)}: {view.metric} {score}"
    level = [row for _, row in view.valued if row.among_best]
    if len(view.valued) > 1 and level:
        others = [view.title(row) for row in level if row is not best]
        if not others:
            return f"{text}; all others are told apart"
        few = len(others) <= _NAMED
        text += (
            f"; not told apart: {'; '.join(others)}"
            if few
            else f"; {len(others)} others not told apart"
        )
    return text


def _points(view: StudyView) -> str:
    s = view.study
    level = level_text(s.confidence)
    heads = [", ".join(s.axes) or "spec", view.metric or "metric",
             f"{level} interval", "seeds", "parameters", "multiply-adds per row"]  # fmt: skip
    heads += [] if s.machine is None else ["one row"]
    rows = []
    for row in s.rows:
        summary = row.summary
        ends = "" if summary is None else fmt.summary_ends(summary) or ""
        basis = ""
        if summary is not None and summary.interval is not None:
            basis = fmt.interval_basis(summary.interval)
        badge = element("span", "not told apart", class_="badge open")
        missing = f"{len(row.missing)} missing" if row.missing else ""
        rows.append(
            [
                escape(view.title(row)),
                _NONE if summary is None else escape(fmt.mean_and_sd(summary)) + (
                    cell("", badge) if row.among_best and len(s.rows) > 1 else ""
                ),
                cell(escape(ends) or _NONE, escape(basis)),
                cell(str(len(row.seeds)), missing),
                _NONE if row.parameters is None else f"{row.parameters:,}",
                _NONE if row.macs is None else f"{row.macs:,}",
                *([] if s.machine is None else time_cells(row.timing)[:1]),
            ]
        )  # fmt: skip
    table = html_table(
        "Points",
        "best first, not told apart from it jointly; mean ± deviation over seeds",
        heads,
        rows,
    )
    return table + paragraphs(time_notes(s), "note")


def _disagreements(view: StudyView) -> str:
    """The rows on which the two best points differ most, over their runs."""
    held = view.told[:2]
    if len(held) < 2 or not all(c.runs.share and c.runs.rows is not None for c in held):
        return ""
    first, second = (c.runs.rows.mean(axis=0) for c in held if c.runs.rows is not None)
    gaps = first - second
    chosen = disputed([first, second])[:_ROWS]
    if not chosen:
        return ""
    better, worse = int((gaps > 0).sum()), int((gaps < 0).sum())
    note = f"{held[0].name} is right more often on {better:,}, {held[1].name} on {worse:,}"
    numbers = row_numbers(view.plan, view.findings)
    which = "test row, from 0; its data are not here" if numbers is None else "row, from 0"
    heads = [which, held[0].name, held[1].name]
    named = chosen if numbers is None else numbers[chosen]
    rows = [[f"{row:,}", percent(float(first[k])), percent(float(second[k]))]
            for row, k in zip(named, chosen, strict=True)]  # fmt: skip
    title = element("h2", "Rows on which the two best points disagree")
    return title + html_table("Share of runs that are right", note, heads, rows)


def _differences(view: StudyView) -> str:
    """The fields in which the specs of the points differ, with the values of each."""
    documents = [_fields(p.point.spec.to_document()) for p in view.findings.points]
    rows = []
    for path in dict.fromkeys(path for document in documents for path in document):
        values = [document.get(path) for document in documents]
        known = list(dict.fromkeys(values))
        if len({v for v in known if v is not None}) > 1 or (None in known and " of " not in path):
            texts = [f"{_text(v)} ({values.count(v)})" for v in known[:_VALUES]]
            listed = "; ".join(texts) + ("; …" if len(known) > _VALUES else "")
            rows.append(element("dt", escape(path)) + element("dd", escape(listed)))
    if not rows:
        return ""
    intro = "Each value with the number of its points; all other fields are equal."
    if len(rows) > _FIELDS:
        intro = f"Each value with the number of its points; the first {_FIELDS} fields."
    title = element("h2", "How the specs differ") + paragraphs([intro], "note")
    return title + element("dl", *rows[:_FIELDS])


def _text(value: str | None) -> str:
    return "absent" if value is None else shortened(value, 60)


def _fields(document: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a spec as texts; layers as their kinds in order, and the settings of each kind.

    Names are left out: they follow from the rest.
    """
    rest = {k: v for k, v in document.items() if k not in ("name", "layers")}
    found = {path: json.dumps(value, ensure_ascii=False) for path, value in _flat(rest)}
    layers = document.get("layers", [])
    kinds = [(kind, len(list(same))) for kind, same in groupby(layer["type"] for layer in layers)]
    found["layers"] = ", ".join(f"{n} × {kind}" if n > 1 else str(kind) for kind, n in kinds)
    settings: dict[str, dict[str, None]] = {}
    for layer in layers:
        for path, value in _flat(layer.get("config", {})):
            text = json.dumps(value, ensure_ascii=False)
            settings.setdefault(f"{path} of {layer['type']}", {})[text] = None
    return found | {path: " and ".join(values) for path, values in settings.items()}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of each number and text in a document."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _flat(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(each, (Mapping, list)) for each in value):
        for k, each in enumerate(value):
            yield from _flat(each, f"{path}.{k}")
    elif path:
        yield path, value


def _reproduction(view: StudyView, command: str) -> str:
    """Commands, the study as given, and the file of every run."""
    lines = [
        (p.point.title, line) for p in view.findings.points for line in p.by_seed.values()
    ]  # fmt: skip
    metric = view.study.metric
    rows = [
        [
            escape(title),
            f"{line['seed']}",
            escape(_score(view, line.get("metrics", {}).get(metric))),
            escape(line.get("file", "diverged")[:23]) + ("…" if "file" in line else ""),
            escape(model_file(line["key"])) if "file" in line else "",
        ]
        for title, line in lines[:_RUNS]
    ]
    heads = ["point", "seed", view.metric or "metric", "file id", "file"]
    note = f"in {view.folder.path.name}"
    note += f"; the first {_RUNS} of {len(lines)}" if len(lines) > _RUNS else ""
    table = html_table("Runs", note, heads, rows) if rows else ""
    given = view.folder.path / "study.json"
    text = given.read_text("utf-8", "replace") if given.is_file() else ""
    same = (
        "Equal seeds give equal bits with equal kernels, versions and kind of processor; the "
        f"command trains what is missing. Kernels: {'; '.join(view.study.kernels) or 'none yet'}."
    )
    return "".join(
        [
            element("h2", "Reproduce"),
            element("pre", escape(command)),
            _details("The study as given", element("pre", escape(text))) if text else "",
            _details("Every run and its file", table) if table else "",
            paragraphs([same], "note"),
        ]
    )


def _score(view: StudyView, value: float | None) -> str:
    return _NONE if value is None else view.text(value)


def _details(summary: str, content: str) -> str:
    return element("details", element("summary", summary), content)
