"""The page of the documentation that keeps what was measured, between pairs of marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from benchmarks.speed.machine import facts
from benchmarks.speed.measure import ROOT

PAGE = ROOT / "docs" / "explanation" / "performance.md"


def put(text: str, name: str, lines: Iterable[str]) -> str:
    """``text`` with new lines between ``<!-- measured: NAME -->`` and ``<!-- end -->``.

    Raises
    ------
    ValueError
        If the text has no such place.
    """
    mark = f"<!-- measured: {name} -->\n"
    place = re.compile(re.escape(mark) + r".*?(?=<!-- end -->)", re.DOTALL)
    body = "\n".join(["", *lines, "", ""])
    new, count = place.subn(lambda _: mark + body, text)
    if count != 1:
        raise ValueError(f"one place {mark.strip()} is wanted, the page has {count}")
    return new


def record(name: str, lines: Iterable[str]) -> None:
    """Keep ``lines`` at the page's place ``name``."""
    PAGE.write_text(put(PAGE.read_text("utf-8"), name, lines), encoding="utf-8")


def said(run: Mapping[str, str]) -> str:
    """One line: when, where and with which command."""
    return (
        f"Measured {run['date']}, {run['processor']}, {run['cores']} cores, {run['memory']}, "
        f"{run['system']}: `{run['command']}`"
    )


def this_run(module: str) -> str:
    """``said`` of the command that runs now."""
    return said(facts(module))
