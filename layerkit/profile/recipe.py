"""The network and the training recipe that a table starts with, by its number of rows.

How they were chosen: decision 0037; what they reach: docs/explanation/results.md.
"""

from __future__ import annotations

import math
from typing import Any

from layerkit.profile.target import Target

_RATE = 0.003
_BATCHES = ((2000, 32), (50_000, 64), (200_000, 128), (math.inf, 256))  # up to so many rows
_EPOCHS, _MANY = 40, 200_000  # half as many epochs for more rows
_UNITS = 256
_TESTED = 20  # fewer rows are all used for training
_VALIDATED = 1000  # of fewer rows, a tenth says too little about when to stop
_TEST, _VALIDATION = 0.2, 0.1
_DECAY = 1.5


def layers(outputs: int) -> list[dict[str, Any]]:
    """The layers of a network with so many ``outputs``."""
    hidden = {"type": "dense", "units": _UNITS, "activation": "relu", "initializer": "he_normal"}
    return [hidden, dict(hidden), {"type": "dense", "units": outputs}]


def recipe(rows: int, target: Target) -> dict[str, Any]:
    """The training section for so many ``rows``, without the data."""
    tested, validated = rows >= _TESTED, rows >= _VALIDATED
    trained = rows * (1 - _TEST * tested) * (1 - _VALIDATION * validated)
    batch = next(size for most, size in _BATCHES if rows <= most)
    epochs = _EPOCHS if rows <= _MANY else _EPOCHS // 2
    found: dict[str, Any] = {"test": _TEST} if tested else {}
    if validated:
        found |= {"validation": _VALIDATION, "early_stopping": {"patience": 10}}
    return {
        **found,
        "optimizer": {
            "type": "adamw",
            "learning_rate": _RATE,
            "weight_decay": _weight_decay(epochs * math.ceil(trained / batch)),
        },
        "schedule": "cosine",
        "batch_size": batch,
        "epochs": epochs,
        **_metrics(target),
    }


def _weight_decay(steps: int) -> float:
    """The decay that shrinks a weight without a gradient by exp(-1.5) in all ``steps``.

    The rate is half of the first one on average. A fixed decay would be too weak for few rows and
    too strong for many, as it acts in every step (Wang, Aitchison, arXiv 2405.13698).
    """
    return float(f"{_DECAY / (_RATE / 2 * steps):.2g}")


def _metrics(target: Target) -> dict[str, list[str]]:
    """Beside accuracy, one that tells when a rare class is never found."""
    counts = target.classes.values()
    skewed = bool(counts) and max(counts) > 0.6 * sum(counts)
    return {"metrics": ["accuracy", "macro_f1"]} if skewed else {}
