"""Tables of how often verdicts were wrong, and which requirements are not met."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.stats.simulate import ROWS, SEEDS, Outcome

__all__ = ["faults", "full", "tables", "write"]

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "explanation" / "comparison.md"
BEGIN, END = "<!-- stats -->", "<!-- end of stats -->"
LEVEL, COVERAGE, FOUND = 0.05, 0.93, 12

_Group = tuple[str, str, int, int]


def faults(outcomes: Sequence[Outcome], power: tuple[int, int]) -> list[str]:
    """The requirements that are not met."""
    found = []
    above = []
    for o in outcomes:
        error = math.sqrt(LEVEL * (1 - LEVEL) / o.compared)
        rate = o.apart / o.compared
        if rate > LEVEL + 4 * error:
            found.append(f"told apart in {100 * rate:.1f} %: {o.cell}")
        if rate > LEVEL + 2 * error:
            above.append(o)
        covered = o.covered / o.compared
        if covered < COVERAGE - 2 * math.sqrt(COVERAGE * (1 - COVERAGE) / o.compared):
            found.append(f"coverage of {100 * covered:.1f} %: {o.cell}")
        if o.cell.measure == "hits" and o.narrowest < 0.1 - 1e-9:
            found.append(f"an interval of {o.narrowest:.3f} rows: {o.cell}")
    if len(above) > len(outcomes) / 20:
        found.append(f"{len(above)} of {len(outcomes)} cells above 5 % + 2 standard errors")
    if power[0] < FOUND:
        found.append(f"the wider net found in {power[0]} of {power[1]}")
    return found


def tables(outcomes: Sequence[Outcome], power: tuple[int, int], seed: int, minutes: float) -> str:
    """One line per kind of cell, one column per number of seeds: the worst of its cells."""
    each = outcomes[0].compared if outcomes else 0
    error = math.sqrt(LEVEL * (1 - LEVEL) / max(1, each))
    above = sum(o.apart / o.compared > LEVEL + 2 * error for o in outcomes)
    lines = [
        f"{len(outcomes)} cells of {each:,} comparisons each, seed {seed}, {minutes:.0f} minutes. "
        f"Above 5 % + 2 standard errors ({100 * (LEVEL + 2 * error):.1f} %): {above} cells. The "
        f"wider net was found in {power[0]} of {power[1]} comparisons of trained nets.",
        "",
        "Equal nets told apart, in per cent; in brackets, how often the 95 % interval of a better "
        "net contained the true difference. Each entry is the worst of six cells (two kinds of "
        "equal nets, three levels of noise):",
        "",
        "| measure | rows | contestants | " + " | ".join(f"{k} seeds" for k in SEEDS) + " |",
        "|---|---|---|" + "---|" * len(SEEDS),
    ]
    for group, held in _grouped(outcomes):
        measure, on, rows, contestants = group
        cells = []
        for k in SEEDS:
            here = [o for o in held if o.cell.seeds == k]
            if not here:
                cells.append("–")
                continue
            worst = max(o.apart / o.compared for o in here)
            covered = min(o.covered / o.compared for o in here)
            cells.append(f"{100 * worst:.1f} ({100 * covered:.1f})")
        lines.append(f"| {measure} | {rows:,} {on} | {contestants} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _grouped(outcomes: Sequence[Outcome]) -> Iterator[tuple[_Group, list[Outcome]]]:
    for measure in ("hits", "losses"):
        for on in ("test", "validation"):
            for rows in ROWS:
                for contestants in (2, 12):
                    group = (measure, on, rows, contestants)
                    held = [
                        o
                        for o in outcomes
                        if (o.cell.measure, o.cell.on, o.cell.rows, o.cell.contestants) == group
                    ]
                    if held:
                        yield group, held


def full(outcomes: Sequence[Outcome]) -> str:
    """One line per cell."""
    lines = [
        "| measure | nets | noise | seeds | rows | contestants | told apart, % | coverage, % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for o in outcomes:
        c = o.cell
        lines.append(
            f"| {c.measure} | {c.nets} | {c.noise} | {c.seeds} | {c.rows:,} {c.on} | "
            f"{c.contestants} | {100 * o.apart / o.compared:.1f} | "
            f"{100 * o.covered / o.compared:.1f} |"
        )
    return "\n".join(lines)


def write(text: str, every: str) -> None:
    """Write the tables to results.md and to the documentation."""
    title = "# How often verdicts are wrong\n\nWritten by `make stats`.\n\n"
    (HERE / "results.md").write_text(f"{title}{text}\n\n## Every cell\n\n{every}\n", "utf-8")
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")
