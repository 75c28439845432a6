"""Whether a real difference is found: nets with 16 and 48 units, trained on the digits."""

from __future__ import annotations

from typing import Any

import layerkit

__all__ = ["TRIED", "found_of"]

TRIED, SEEDS = 15, 3


def found_of(seed: int) -> tuple[int, int]:
    """(found, tried): in how many comparisons of 3 seeds each the wider net is called better."""
    rows = layerkit.load_data("digits")
    found = 0
    for k in range(TRIED):
        base = seed % 1_000_000 + SEEDS * k
        pair = [_spec(units, base) for units in (16, 48)]
        told = layerkit.compare(pair, data=rows, seeds=SEEDS, timing=False)
        found += told.contestants[1].differences["accuracy"].verdict == "better"
    return found, TRIED


def _spec(units: int, seed: int) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "name": f"units-{units}",
        "input": {"shape": [64], "scale": {"divide": 16}},
        "layers": [
            {"type": "dense", "units": units, "activation": "relu"},
            {"type": "dense", "units": 10},
        ],
        "output": {"classes": [str(k) for k in range(10)]},
        "train": {
            "data": "digits",
            "epochs": 4,
            "batch_size": 64,
            "seed": seed,
            "metrics": ["accuracy"],
        },
    }
