"""Gates, changes, lesions and keep curves of a model, on labelled rows.

A *block* is a layer that lets its gate be watched or says what its carry is, and has a carry. For
rows x of it, outputs y and its carry c(x)::

    change = median over the rows of |y - c(x)| / |c(x)|
    gate   = mean over rows and units of T;  spread = deviation of the units' means

A single lesion leaves out one block, and tells how much the others make up for it, not whether it
works: the curves that keep the first or the last k blocks show what they do together.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.inside import own_method
from layerkit.core.rows import Rows
from layerkit.errors import SpecError
from layerkit.model import Model
from layerkit.training.evaluation import evaluate, judge

Scores = dict[str, float]
"""The loss and the metrics of the recipe, by name."""


@dataclass(frozen=True)
class Block:
    """What one block does.

    ``gates`` are the mean gates of the rows of each class; they, ``gate`` and ``spread`` are absent
    where the layer shows no gate. ``without`` are the scores of the model with this block left out.
    """

    name: str
    type: str
    change: float
    gate: float | None
    spread: float | None
    gates: dict[str, float]
    without: Scores


@dataclass(frozen=True)
class Lens:
    """What the blocks of a model do; ``first[k]`` are the scores with the first k of them kept."""

    model: str
    rows: int
    whole: Scores
    blocks: list[Block]
    first: list[Scores]
    last: list[Scores]

    def to_json(self) -> dict[str, Any]:
        """All numbers, for ``layerkit lens --json``."""
        return asdict(self)


def look(model: Model, rows: Rows) -> Lens:
    """Look at ``model`` on labelled rows.

    Raises SpecError if it has no block, DataError if the rows do not keep the data contract.
    """
    names = blocks_of(model)
    if not names:
        raise SpecError(
            f"the model {model.name!r} has no layer to look at: none shows a gate or has a carry"
        )
    whole = judge(model, rows)
    truth = whole.truth if whole.target == "class" else None
    count = len(names)
    none = evaluate(model.without(names), rows)
    scores = {"loss": whole.loss, **whole.values(whole.metrics)}
    return Lens(
        model.name,
        len(rows),
        scores,
        [_block(model, rows, name, truth) for name in names],
        [none, *(evaluate(model.without(names[k:]), rows) for k in range(1, count)), scores],
        [none, *(evaluate(model.without(names[:-k]), rows) for k in range(1, count)), scores],
    )


def blocks_of(model: Model) -> list[str]:
    """The names of the blocks, in order."""
    found = []
    for p in model.network.planned:
        carry, watched = (own_method(p.layer, name) for name in ("carry", "watched"))
        if carry or (watched and p.in_shape == p.plan.out_shape):
            found.append(p.name)
    return found


def _block(model: Model, rows: Rows, name: str, truth: Array | None) -> Block:
    view = model.without([name])
    y, carried = (one.encode(rows, layer=name) for one in (model, view))
    shown = model.watch(rows, layers=[name]).get(name, {}).get("gate")
    gate = spread = None
    gates: dict[str, float] = {}
    if shown is not None and len(shown):
        flat = shown.reshape(len(shown), -1).astype(np.float64)
        gate, spread = float(flat.mean()), float(flat.mean(axis=0).std())
        if truth is not None:
            of_rows = flat.mean(axis=1)
            for i, label in enumerate(model.classes or ()):
                if (truth == i).any():
                    gates[str(label)] = float(of_rows[truth == i].mean())
    kind = next(record.type for record in model.spec.layers if record.name == name)
    without = evaluate(view, rows)
    return Block(name, kind, _change(y, carried), gate, spread, gates, without)


def _change(y: Array, carried: Array) -> float:
    """The median over the rows of the size of the change, relative to what is carried."""
    if not len(y):
        return math.nan
    changed, kept = (
        np.linalg.norm(a.reshape(len(a), -1).astype(np.float64), axis=1)
        for a in (y - carried, carried)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.median(changed / kept))
