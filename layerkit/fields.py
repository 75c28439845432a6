"""Annotations for the settings of parts: ranges of numbers, and names of other parts.

The keyword-only arguments of a part's constructor are its settings, annotated with ordinary Python
types or the names below. ``layerkit.specs`` turns the annotations into a strict validator and JSON
Schema; plugins need only this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

__all__ = [
    "ActivationName",
    "Fraction",
    "InitializerName",
    "Later",
    "Layers",
    "NonNegative",
    "PartOf",
    "Positive",
    "Range",
    "ScheduleName",
    "Size",
]


@dataclass(frozen=True)
class Range:
    """Bounds of a number; None stands for no bound."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None


@dataclass(frozen=True)
class Later:
    """The setting is younger than the part: there are files without it.

    Its default must mean what the part did before, for ever. A spec leaves it out while it has its
    default, so that such files, and those written from them, keep their bytes. Where a default
    cannot mean that, raise ``config_version`` and write ``migrate``.
    """


@dataclass(frozen=True)
class PartOf:
    """The setting names a part of ``group``, such as "tanh".

    It may also be a mapping with settings: ``{"type": "leaky_relu", "slope": 0.1}``.
    """

    group: str


Size = Annotated[int, Range(ge=1, lt=2**63)]
"""A positive count, such as units; below 2**63, the limit of model files."""

Positive = Annotated[float, Range(gt=0)]
"""A finite number > 0."""

NonNegative = Annotated[float, Range(ge=0)]
"""A finite number >= 0."""

Fraction = Annotated[float, Range(ge=0, lt=1)]
"""A number >= 0 and < 1."""

Layers = Annotated[list[Any], "a list of layers"]
"""The layers inside a container, for its setting ``layers``: in a spec a list of layer entries, in
the constructor (name, layer) pairs, which ``layerkit.chain`` and ``layerkit.side_by_side`` plan."""

ActivationName = Annotated[str | Mapping[str, Any], PartOf("activations")]
InitializerName = Annotated[str | Mapping[str, Any], PartOf("initializers")]
ScheduleName = Annotated[str | Mapping[str, Any], PartOf("schedules")]
