"""Reports of the kit: an outcome for each check, counted, as text and as JSON.

A planned check must run, or be skipped for a stated reason; otherwise the whole run fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any, Literal

from layerkit import __version__
from layerkit.display import counted

Status = Literal["passed", "failed", "skipped", "expected failure", "unexpected pass", "not run"]
_BAD: tuple[Status, ...] = ("failed", "unexpected pass", "not run")
_WIDTH = 98
_RAN: tuple[Status, ...] = ("passed", "failed", "expected failure", "unexpected pass")


class ConformanceError(AssertionError):
    """A part breaks a rule; the text says which check, why it matters and what to do."""


@dataclass(frozen=True)
class Outcome:
    """How one check ended.

    Parameters
    ----------
    id
        Of the check.
    status
        "passed", "failed", "skipped" (does not apply), "expected failure" (fails, and the part
        says why), "unexpected pass" (passes, though the part says that it fails) or "not run" (a
        check that it builds on failed).
    why
        Why the check exists.
    message
        The fault, or the reason for a skip; a note when it passed.
    hint
        What to do.
    seed
        Seed of the run: it gives the same arrays again.
    again
        How to run this check alone.
    seconds
        Duration.
    traceback
        Traceback of the part's own code, if it raised.
    """

    id: str
    status: Status
    why: str
    message: str
    hint: str
    seed: int
    again: str
    seconds: float = 0.0
    traceback: str = ""

    @property
    def ok(self) -> bool:
        """Whether a part that conforms may have this outcome."""
        return self.status not in _BAD

    def text(self, width: int = _WIDTH) -> str:
        """The outcome for people: what is wrong, why it matters, and what to do."""
        lines = [f"{self.status.upper()}  {self.id}"]
        for word, text in (
            ("what", self.message),
            ("why", self.why),
            ("fix", self.hint),
            ("again", self.again),
        ):
            lines += _paragraph(word, text, width) if text else []
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """All outcomes of one part.

    Parameters
    ----------
    part
        Its type name, or else the name of its class.
    kind
        "layers", "activations", ...
    origin
        Where it comes from.
    seed
        Seed of all random numbers.
    planned
        Ids of the planned checks.
    outcomes
        Their outcomes.
    """

    part: str
    kind: str
    origin: str
    seed: int
    planned: tuple[str, ...]
    outcomes: Sequence[Outcome]

    @property
    def counts(self) -> dict[str, int]:
        """How many checks were planned, run and skipped, and how many of those run did not pass."""
        ended = Counter(outcome.status for outcome in self.outcomes)
        return {
            "planned": len(self.planned),
            "run": sum(ended[status] for status in _RAN),
            "skipped": ended["skipped"],
            "failed": ended["failed"],
            "expected failures": ended["expected failure"],
            "unexpected passes": ended["unexpected pass"],
            "not run": len(self.planned) - sum(ended[s] for s in (*_RAN, "skipped")),
        }

    @property
    def ok(self) -> bool:
        """Whether the part conforms: every planned check was run or skipped, and none failed."""
        counts = self.counts
        return (
            all(outcome.ok for outcome in self.outcomes)
            and counts["planned"] > 0
            and counts["run"] + counts["skipped"] == counts["planned"]
        )

    def __getitem__(self, check: str) -> Outcome:
        """The outcome of the check called ``check``; KeyError if it was not planned."""
        for outcome in self.outcomes:
            if outcome.id == check:
                return outcome
        raise KeyError(check)

    def raise_if_failed(self) -> None:
        """Raise if the part does not conform.

        Raises
        ------
        ConformanceError
            With the text of the report.
        """
        if not self.ok:
            raise ConformanceError("\n" + self.text())

    def text(self, width: int = _WIDTH) -> str:
        """The report for people: what failed and what to do, a table of groups, the counts."""
        head = f"{self.part} ({self.kind}, {self.origin}), seed {self.seed}"
        failed = [o.text(width) for o in self.outcomes if not o.ok and o.status != "not run"]
        remarks = [
            f"{'note' if outcome.status == 'passed' else outcome.status}: {outcome.id}: "
            f"{outcome.message}"
            for status in (("skipped", "expected failure"), ("passed",))
            for outcome in self.outcomes
            if outcome.status in status and outcome.message
        ]
        listing = "\n".join(fill(line, width, subsequent_indent="    ") for line in remarks)
        blocks = [
            "\n\n".join([*failed, *self._not_run(width)]),
            self._table(),
            listing,
            self.summary(),
        ]
        return head + "\n\n" + "\n\n".join(block for block in blocks if block)

    def _not_run(self, width: int) -> list[str]:
        """One paragraph for each reason why checks were not run."""
        waiting: dict[str, list[str]] = {}
        for outcome in self.outcomes:
            if outcome.status == "not run":
                waiting.setdefault(outcome.message, []).append(outcome.id)
        return [
            fill(
                f"NOT RUN  {counted(len(ids), 'check')} {_verb(reason, ids)}: {', '.join(ids[:6])}"
                + (", ..." if len(ids) > 6 else ""),
                width,
                subsequent_indent=" " * 8,
            )
            for reason, ids in waiting.items()
        ]

    def summary(self) -> str:
        """The counts in one line."""
        words = [f"{count} {word}" for word, count in self.counts.items() if count]
        verdict = "conforms" if self.ok else "DOES NOT CONFORM"
        return f"{', '.join(words) or 'nothing planned'}: {self.part} {verdict}"

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "layerkit": __version__,
            "part": self.part,
            "kind": self.kind,
            "origin": self.origin,
            "seed": self.seed,
            "ok": self.ok,
            "counts": self.counts,
            "checks": [
                {**vars(outcome), "seconds": round(outcome.seconds, 4)} for outcome in self.outcomes
            ],
        }

    def _table(self) -> str:
        """One line per group of checks."""
        groups: dict[str, Counter[str]] = {}
        for outcome in self.outcomes:
            groups.setdefault(outcome.id.partition(".")[0], Counter())[outcome.status] += 1
        width = max(map(len, groups), default=0)
        return "\n".join(
            f"{group.ljust(width)}  " + ", ".join(f"{n} {status}" for status, n in ended.items())
            for group, ended in groups.items()
        )


def _verb(reason: str, ids: list[str]) -> str:
    return reason if len(ids) == 1 else reason.replace("builds on", "build on")


def _paragraph(word: str, text: str, width: int) -> list[str]:
    """``text`` beside ``word``, each of its lines wrapped."""
    if word == "again":  # a command to copy
        return [f"  {word} {text}"]
    leads = [f"  {word:<6}", *[" " * 8] * text.count("\n")]
    return [
        fill(line, width, initial_indent=lead, subsequent_indent=" " * 8)
        for lead, line in zip(leads, text.split("\n"), strict=True)
    ]
