"""The command that repeats a comparison."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from layerkit.comparison.contestants import Entry
from layerkit.comparison.data import JudgedSplit
from layerkit.data import Dialect


def command_of(
    entries: Sequence[Entry],
    data: Sequence[str | os.PathLike[str]],
    *,
    seeds: int,
    settings: Sequence[str],
    confidence: float,
    on: JudgedSplit,
    dialect: Dialect | None,
) -> str:
    """The command in a line, for a shell; ``data`` are those that were given."""
    words = ["layerkit", "compare"]
    for e in entries:
        words += e.sources or [f"{e.name}.json" if e.kind == "spec" else f"{e.name}.layerkit"]
    if any(e.kind == "spec" for e in entries):
        words += ["--seeds", str(seeds)]
    for given in data:
        words += ["--data", os.fspath(given)]
    for setting in settings:
        words += ["--set", setting]
    if confidence != 0.95:
        words += ["--confidence", f"{confidence:g}"]
    if on != "test":
        words += ["--on", on]
    return shlex.join(words if dialect is None else [*words, *_dialect(dialect)])


def _dialect(dialect: Dialect) -> list[str]:
    """Its options."""
    words = []
    for name in ("delimiter", "decimal", "thousands", "quote", "comment", "encoding"):
        value = getattr(dialect, name)
        words += [] if value is None else [f"--{name}", value]
    if dialect.header is not None:
        words.append("--header" if dialect.header else "--no-header")
    for cell in dialect.missing_values:
        words += ["--missing-value", cell]
    return words
