"""Settings without effect: another value of one leaves all that a part computes as it is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from layerkit.testing.setting_variants import changed_in
from layerkit.testing.subject import Example, Subject
from layerkit.testing.verdicts import Failed

WHY = "A setting without effect lets a user tune it for nothing."
FIX = "use self.NAME where the equation has it, or take the setting out"
AFTER = ("pass.runs", "settings.read")  # which tells of a setting that nothing reads


def refuse_idle(
    subject: Subject, computed: Callable[[Example], Any], *, skip: Collection[str] = ()
) -> None:
    """Raise Failed if a setting changes nothing that ``computed`` gives, in any example.

    ``computed`` returns what the part of an example computes; settings in ``skip`` are read by
    others.
    """
    known = [(example, computed(example)) for example in subject.examples]
    for name in subject.part.settings():
        if name in skip:
            continue
        same = [
            computed(changed) == before
            for example, before in known
            for changed in changed_in(subject, example, name)
        ]
        if same and all(same):
            raise Failed(
                f"the setting {name!r} has no effect: other values of it change nothing",
                f"use `self.{name}`, or take the setting out; if it matters only beside another, "
                "add an example with both to `examples()`",
            )
