"""Finding: one thing that is wrong with a network or its rows, and what to set instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import Any, Literal, get_args

from layerkit.display import jsonable

Severity = Literal["error", "warning", "notice"]
"""error: training cannot give a useful model. warning: it is likely to be worse than it could be.
notice: worth knowing, often harmless."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)

Changes = Mapping[str, Any]
"""From a field of the spec, such as ``layers.1.gate_bias``, to the value to set."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with its numbers, and what to set.

    Attributes
    ----------
    check
        Name of the check that found it, such as "dead units".
    severity
        "error", "warning" or "notice".
    text
        What was found, one sentence with its numbers.
    reason
        Why that is a problem and where the threshold comes from.
    field
        The field of the spec that it concerns most.
    changes
        From fields to values to set, all together; empty if the spec has no such field.
    advice
        What to do where no field can do it; else empty.
    others
        Other changes that may help instead, in the order in which to try them.
    tried
        What ``changes`` did in a short training, one clause; empty if it was not tried.
    """

    check: str
    severity: Severity
    text: str
    reason: str
    field: str
    changes: Changes = attribute(default_factory=dict)
    advice: str = ""
    others: tuple[Changes, ...] = attribute(default=(), repr=False)
    tried: str = ""

    @property
    def settings(self) -> list[str]:
        """``changes`` as ``layerkit.build`` and ``--set`` take them: PATH=VALUE."""
        return settings_of(self.changes)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "check": self.check,
            "severity": self.severity,
            "text": self.text,
            "reason": self.reason,
            "field": self.field,
            "settings": self.settings,
            "advice": self.advice,
            "others": [settings_of(changes) for changes in self.others],
            "tried": self.tried,
        }


def settings_of(changes: Changes) -> list[str]:
    """Changes as overrides, PATH=VALUE.

    >>> settings_of({"input.scale": "standardize", "layers.1.gate_bias": -2.5})
    ['input.scale=standardize', 'layers.1.gate_bias=-2.5']
    """
    return [f"{path}={_word(value)}" for path, value in changes.items()]


def _word(value: Any) -> str:
    """A value as an override holds it: text as it is where it cannot be read as JSON."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except json.JSONDecodeError:
            if value.lstrip()[:1] not in ("{", "[", '"'):
                return value
    return json.dumps(jsonable(value), ensure_ascii=False)


def worst_first(findings: list[Finding]) -> list[Finding]:
    """Errors, then warnings, then notices; within each as they came."""
    return sorted(findings, key=lambda one: SEVERITIES.index(one.severity))
