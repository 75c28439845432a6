"""A rule is one check: its id, why it matters, what to do when it fails, and the code that tells.

A battery is the list of rules for one kind of part. A rule's code raises ``Failed`` or ``Skipped``;
when it returns, the part keeps the rule, and a text that it returns is shown as a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerkit.testing.subject import Subject

__all__ = ["INTACT", "Battery", "Failed", "Rule", "Skipped"]

INTACT = ("input.unchanged", "cotangent.unchanged", "update.order")
"""What must hold before numbers of a layer mean anything: it leaves what it is given alone."""

Body = Callable[["Subject"], str | None]


class Failed(Exception):  # noqa: N818  # a verdict, not an error of the kit
    """The part breaks the rule; ``hint`` says what to do where that is known better than usual."""

    def __init__(self, message: str, hint: str = "", *, traceback: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.traceback = traceback


class Skipped(Exception):  # noqa: N818  # a verdict, not an error of the kit
    """The rule cannot be tried on this part; the text says why."""


@dataclass(frozen=True)
class Rule:
    """One check.

    Parameters
    ----------
    id
        Stable name, ``group.word``.
    why
        One sentence: what goes wrong for users of a part that breaks it.
    fix
        What usually mends it.
    body
        The code that tells.
    needs
        Ids of rules that must hold before this one means anything.
    """

    id: str
    why: str
    fix: str
    body: Body
    needs: tuple[str, ...] = ()


class Battery:
    """Rules in the order in which they are run and shown.

    Parameters
    ----------
    needs
        What every rule of this battery needs, unless it says otherwise.
    """

    def __init__(self, *needs: str) -> None:
        self.rules: list[Rule] = []
        self._needs = needs

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def rule(
        self, id_: str, *, why: str, fix: str, needs: tuple[str, ...] | None = None
    ) -> Callable[[Body], Body]:
        """Decorator: the function below is the body of the rule ``id_``."""

        def add(body: Body) -> Body:
            wanted = self._needs if needs is None else needs
            self.rules.append(Rule(id_, why, fix, body, wanted))
            return body

        return add
