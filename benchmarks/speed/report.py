"""Tables in Markdown of measured lines.

    python -m benchmarks.speed.report FILE.jsonl ... [--write]

A later line for the same work replaces an earlier one: a unit is never put together from two runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.speed.goals import GOALS, GROUPS, OURS, Reached, quickest, reached
from benchmarks.speed.measure import Outcome, Unit
from benchmarks.speed.page import record, said

HERE = Path(__file__).parent
WORDS = {"pure": "NumPy alone", "fast": "With the extra `fast`"}


def read(paths: Iterable[Path]) -> tuple[list[dict[str, str]], dict[Unit, Outcome]]:
    """(facts of each run, outcomes by unit)."""
    runs: list[dict[str, str]] = []
    outcomes: dict[Unit, Outcome] = {}
    for path in paths:
        for line in path.read_text("utf-8").splitlines():
            record: dict[str, Any] = json.loads(line)
            if "run" in record:
                runs.append(record["run"])
            else:
                outcome = Outcome.of_json(record)
                outcomes[outcome.unit] = outcome
    return runs, outcomes


def unit_table(outcome: Outcome) -> Iterator[str]:
    """All peers of a unit, quickest first."""
    ours = outcome.timings.get("layerkit")
    floor = quickest(outcome, "the floor")
    yield "| peer | median µs | minimum µs | rows/s | time / layerkit's | % of the floor | |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for name, t in sorted(outcome.timings.items(), key=lambda item: item[1].median):
        ratio = f"{t.median / ours.median:.2f}" if ours else ""
        part = f"{100 * floor[1].median / t.median:.0f}" if floor else ""
        marks = f"{t.disturbed} of {len(t.seconds)} disturbed" if t.disturbed else ""
        yield (
            f"| {name} | {t.median * 1e6:.1f} | {t.least * 1e6:.1f} "
            f"| {outcome.unit.rows / t.median:,.0f} | {ratio} | {part} | {marks} |"
        )
    for name, reason in outcome.skipped.items():
        yield f"| {name} | not measured: {reason} | | | | | |"


def goal_table(outcomes: Mapping[Unit, Outcome]) -> list[str]:
    """Every goal that was measured, how often each kind was met above it."""
    cells: list[str] = []
    met: dict[str, list[bool]] = {which: [] for which in OURS}
    for goal in GOALS:
        found = {which: reached(outcomes, goal, which) for which in OURS}
        if not any(found.values()):
            continue
        for which, one in found.items():
            met[which] += [] if one is None else [one.met]
        rival = next(one.rival for one in found.values() if one)
        both = " | ".join(goal_cells(one) for one in found.values())
        cells.append(f"| {goal.unit} | {goal.group} ({rival}) | {both} |")
    counts = [f"{WORDS[w]}: {sum(m)} of {len(m)} goals met." for w, m in met.items() if m]
    return [
        *counts,
        "",
        "| work | against | NumPy alone | goal | | extra `fast` | goal | |",
        "|---|---|---:|---:|---|---:|---:|---|",
        *cells,
    ]


def goal_cells(found: Reached | None) -> str:
    """Ratio of medians (of minima), goal, verdict."""
    if found is None:
        return "| |"
    verdict = "met" if found.met else "**missed**"
    return f"{found.ratio:.2f} ({found.ratio_of_least:.2f}) | {found.wanted:.2f} | {verdict}"


def page(runs: list[dict[str, str]], outcomes: Mapping[Unit, Outcome]) -> str:
    """results.md."""
    lines = ["# Speed, side by side", "", *goal_table(outcomes), ""]
    for unit, outcome in outcomes.items():
        lines += [f"## {unit}", "", *unit_table(outcome), ""]
    lines += ["## How", "", *how(runs, outcomes)]
    return "\n".join(lines) + "\n"


def write(paths: Iterable[Path]) -> None:
    """Keep these lines in results.md, and the goals in the documentation."""
    runs, outcomes = read(paths)
    (HERE / "results.md").write_text(page(runs, outcomes), encoding="utf-8")
    origin = [f"- {said(run)}" for run in runs]
    record("goals", [*goal_table(outcomes), "", *origin, f"- {versions(outcomes)}"])


def versions(outcomes: Mapping[Unit, Outcome]) -> str:
    """Of all packages that computed something."""
    seen: dict[str, set[str]] = {}
    for outcome in outcomes.values():
        for timing in outcome.timings.values():
            for name, number in timing.versions.items():
                seen.setdefault(name, set()).add(number)
    return ", ".join(f"{name} {' and '.join(sorted(found))}" for name, found in seen.items())


def how(runs: list[dict[str, str]], outcomes: Mapping[Unit, Outcome]) -> Iterator[str]:
    """Machine, versions, command, and how to read the numbers."""
    for run in runs:
        yield f"- {said(run)}"
    yield f"- {versions(outcomes)}"
    rounds = {len(t.seconds) for o in outcomes.values() for t in o.timings.values()}
    yield f"- Medians of {'/'.join(map(str, sorted(rounds)))} interleaved blocks a peer, ratios"
    yield "  within one run. A block that others disturbed was repeated; what stayed so is marked."
    yield "- A ratio above 1 says that layerkit is that many times as fast. Against the floor it is"
    yield "  the part of the floor's speed: of a step's products alone, in the better layout."
    yield "- Each peer's losses, before and after 20 steps, or its outputs, agreed with float64"
    yield "  NumPy before it was timed."
    for group, members in GROUPS.items():
        yield f"- {group}: the quickest of {', '.join(members)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true", help="write results.md and the page")
    given = parser.parse_args()
    print(page(*read(given.files)))
    if given.write:
        write(given.files)


if __name__ == "__main__":
    main()
