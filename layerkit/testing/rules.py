"""Rules and batteries: a rule is one check, a battery is the list of rules in one module.

Most rules judge one example at a time: the function gets a trial of the example, and the battery
calls it for each example of the part. A rule declared with ``Battery.once`` gets the part instead.
The function raises ``Failed`` or ``Skipped``; otherwise the check passes, and a text that the
function returns becomes a note in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from layerkit.testing.subject import Example, Subject, Trial
from layerkit.testing.verdicts import Skipped, at

INTACT = (
    *("input.unchanged", "cotangent.unchanged", "update.order", "global.random"),
    *("batch.state", "stochastic.replay", "gradient.written"),
)
"""Rules behind any comparison of numbers: a layer changes neither its inputs nor its parameters,
its results do not depend on the pass before, and every gradient is written. Each builds on those
before it, so that one fault is told once."""


def before(rule: str) -> tuple[str, ...]:
    """The rules of ``INTACT`` before this one."""
    return INTACT[: INTACT.index(rule)]


Judge = Callable[[Subject], str | None]
ExampleJudge = Callable[[Any], str | None]  # gets what the rule's ``trial`` makes
MakeTrial = Callable[[Subject, Example], Any]
Examples = Callable[[Subject], Iterable[Example]]


@dataclass(frozen=True)
class Rule:
    """One check."""

    id: str  # stable name, ``group.word``
    why: str  # what goes wrong for users of a part that breaks the rule
    fix: str  # the usual remedy
    judge: Judge
    needs: tuple[str, ...] = ()  # rules that must pass before this one means anything


class Battery:
    """Rules in the order in which they run and are shown, with defaults for ``rule``."""

    def __init__(
        self, *needs: str, trial: MakeTrial = Trial, over: Examples = attrgetter("examples")
    ) -> None:
        self.rules: list[Rule] = []
        self._needs = needs
        self._trial = trial
        self._over = over

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def rule(
        self,
        id_: str,
        *,
        why: str,
        fix: str,
        needs: tuple[str, ...] | None = None,
        trial: MakeTrial | None = None,
        over: Examples | None = None,
    ) -> Callable[[ExampleJudge], ExampleJudge]:
        """Decorator: the function below judges one example at a time.

        ``over`` lists the examples, by default those of the part; ``trial`` makes what the function
        gets for one of them, by default a ``Trial``. ``needs`` names rules that must pass first.
        """

        def add(body: ExampleJudge) -> ExampleJudge:
            each = _for_each(body, trial or self._trial, over or self._over)
            self.once(id_, why=why, fix=fix, needs=needs)(each)
            return body

        return add

    def once(
        self, id_: str, *, why: str, fix: str, needs: tuple[str, ...] | None = None
    ) -> Callable[[Judge], Judge]:
        """Decorator: the function below judges the part as a whole."""

        def add(body: Judge) -> Judge:
            self.rules.append(Rule(id_, why, fix, body, self._needs if needs is None else needs))
            return body

        return add


def _for_each(body: ExampleJudge, trial: MakeTrial, over: Examples) -> Judge:
    """``body`` for one example after the other, up to the first that fails."""

    def judge(subject: Subject) -> str | None:
        notes: list[tuple[str, str]] = []
        skipped = 0
        for example in over(subject):
            try:
                with at(example):
                    note = body(trial(subject, example)) or ""
            except Skipped as skip:
                skipped, note = skipped + 1, str(skip)
            notes.append((example.name, note))
        if skipped and skipped == len(notes):
            raise Skipped(notes[0][1])
        return _summary(notes)

    return judge


def _summary(notes: list[tuple[str, str]]) -> str:
    """The note that all examples share, or each note with its example."""
    distinct = {note for _, note in notes}
    if len(distinct) == 1:
        return distinct.pop()
    return "; ".join(f"{name}: {note}" for name, note in notes if note)
