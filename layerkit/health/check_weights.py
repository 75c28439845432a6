"""Weights that are no numbers any more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerkit.display import counted
from layerkit.health.cures import slower
from layerkit.health.finding import Finding
from layerkit.health.subject import Subject
from layerkit.health.wording import some


def weights_not_finite(subject: Subject) -> Iterator[Finding]:
    """Parameters and states that are NaN or infinite."""
    bad = {
        name: int(array.size - np.isfinite(array).sum())
        for name, (_, array) in subject.network.tensors().items()
        if not np.isfinite(array).all()
    }
    if not bad:
        return
    yield Finding(
        "weights not finite",
        "error",
        f"{counted(sum(bad.values()), 'number')} of {some(bad)} are NaN or infinite",
        "every prediction that meets one of them is NaN; they come from a step that was too large",
        "train.clip_norm",
        {} if subject.spec.train is None else {"train.clip_norm": 1.0, **slower(subject)},
        advice="train again from the start: weights that are not finite do not recover",
    )
