"""Types for the settings of parts: what a constructor's annotations may say.

A part's keyword-only constructor is the one list of its settings. Its annotations are ordinary
Python types, or the names below, which add a range or say that the setting names another part.
``layerkit.specs`` turns them into a strict validator and into JSON Schema; a plugin needs nothing
but this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

__all__ = [
    "ActivationName",
    "Fraction",
    "InitializerName",
    "PartOf",
    "Positive",
    "Range",
    "ScheduleName",
    "Size",
]


@dataclass(frozen=True)
class Range:
    """Bounds of a number; None means no bound."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None


@dataclass(frozen=True)
class PartOf:
    """The setting names a part of ``group``: ``"tanh"``, or a mapping with its own settings,
    ``{"type": "leaky_relu", "slope": 0.1}``, when it has any.
    """

    group: str


Size = Annotated[int, Range(ge=1, lt=2**63)]
"""A positive count: units, features; below 2**63, as a model file holds it."""

Positive = Annotated[float, Range(gt=0)]
"""A finite number above 0."""

Fraction = Annotated[float, Range(ge=0, lt=1)]
"""A number in [0, 1)."""

ActivationName = Annotated[str | Mapping[str, Any], PartOf("activations")]
InitializerName = Annotated[str | Mapping[str, Any], PartOf("initializers")]
ScheduleName = Annotated[str | Mapping[str, Any], PartOf("schedules")]
