"""What the lens found: numbers of blocks, of models with some of them left out, and of one row."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Score:
    """The loss or a metric of a model with blocks left out.

    ``low`` and ``high`` are a 95 % interval over rows. ``gap`` is the score minus that of the whole
    model, and its interval that of the same rows in pairs: it is far narrower. Intervals are absent
    where they are not known, as for a metric that is no mean over rows.
    """

    value: float
    low: float | None = None
    high: float | None = None
    gap: float = 0.0
    gap_low: float | None = None
    gap_high: float | None = None


Scores = dict[str, Score]
"""The loss and the metrics of the recipe, by name."""


@dataclass(frozen=True)
class Gates:
    """How far the gates of a block open: means of T over rows.

    ``units`` are the means of each unit, also over the steps of a sequence or the pixels of an
    image, whose channels are its units; ``mean`` and ``spread`` (standard deviation) are over them.
    ``steps`` are the means of each step, for rows that are sequences. ``classes`` are the means of
    the rows of each class, ``class_units`` those of each unit minus its mean over all rows; both
    are empty where a row has no class.
    """

    mean: float
    spread: float
    units: list[float]
    steps: list[float]
    classes: dict[str, float]
    class_units: dict[str, list[float]]


@dataclass(frozen=True)
class Change:
    """How far a block moves what it carries, |y - c| / |c|: the quartiles over the rows.

    Rows that carry nothing but zeros are left out.
    """

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Drift:
    """How far a parameter has moved since it started, as the spec says, at ``start``.

    ``mean``, ``low`` and ``high`` are of its numbers minus the start; ``below`` is the share that
    are below it.
    """

    parameter: str
    start: float
    mean: float
    low: float
    high: float
    below: float


@dataclass(frozen=True)
class Block:
    """What one block does.

    ``gates`` is absent where the layer shows none, ``change`` where it has no carry. ``without``
    are the scores of the model with this block left out: for labelled rows and blocks with a carry.
    """

    name: str
    type: str
    gates: Gates | None
    change: Change | None
    drift: list[Drift]
    without: Scores | None


@dataclass(frozen=True)
class RowGates:
    """The gates of one row: by block a list of units for each step, one list without steps.

    ``label`` and ``answer`` are what the row's source says and what the model says; ``text`` are
    its cells that hold text.
    """

    row: int
    label: Any
    answer: Any
    text: dict[str, str]
    gates: dict[str, list[list[float]]]


@dataclass(frozen=True)
class Lens:
    """What the blocks of a model do.

    ``whole`` are the scores of the model. ``curve`` names the blocks that the keep curves are of:
    those with a carry, a container instead of those inside it. ``first[k]`` are the scores with the
    first k of them kept, ``last[k]`` with the last k. All four are empty for rows without labels.
    """

    model: str
    source: str
    rows: int
    whole: Scores
    blocks: list[Block]
    curve: list[str]
    first: list[Scores]
    last: list[Scores]
    row: RowGates | None = None
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All numbers, for ``layerkit lens --json``; those that are not finite are None."""
        found: dict[str, Any] = _finite(asdict(self))
        return found

    @property
    def gated(self) -> list[tuple[str, Gates]]:
        """The blocks that show gates, by name."""
        return [(one.name, one.gates) for one in self.blocks if one.gates is not None]

    @property
    def lesions(self) -> list[tuple[str, Scores]]:
        """The scores without each block that can be left out."""
        return [(one.name, one.without) for one in self.blocks if one.without is not None]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
