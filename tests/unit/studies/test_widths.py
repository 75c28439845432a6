"""The search for whole numbers of a given cost: against brute force, and on random specs."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from layerkit.specs import Spec, read_spec
from layerkit.studies.budget import matched
from layerkit.studies.freedom import Freedom
from layerkit.studies.layer_numbers import widths_of, with_numbers
from layerkit.studies.widths import CLOSE, Widths, nearest_widths


def params(inputs: int, widths: Widths, outputs: int) -> int:
    """Of dense layers, by hand."""
    sizes = [inputs, *widths, outputs]
    return sum(i * o + o for i, o in itertools.pairwise(sizes))


def brute_force(inputs: int, start: Widths, outputs: int, target: float) -> int:
    """The cost of the nearest combination in the smallest box that holds a close one."""
    turns = sorted({(m + 0.5) / w for w in start for m in range(1, 400)})
    multiples = [
        tuple(max(1, round(f * w)) for w in start) for f in [0.0, *(t + 1e-9 for t in turns)]
    ]
    fitting = [w for w in multiples if params(inputs, w, outputs) <= target] or multiples[:1]
    centre = max(fitting)
    every = itertools.product(range(1, max(centre) + 40), repeat=len(start))
    table = [(max(abs(a - b) for a, b in zip(w, centre, strict=True)), params(inputs, w, outputs))
             for w in every]  # fmt: skip
    for radius in range(1, max(centre) + 40):
        cost = min((c for r, c in table if r <= radius), key=lambda c: abs(c - target))
        if abs(cost - target) <= CLOSE * target:
            break
    return cost


@pytest.mark.parametrize(
    "case", [*range(9), *(pytest.param(i, marks=pytest.mark.slow) for i in range(9, 50))]
)
def test_the_search_is_as_good_as_brute_force(case: int) -> None:
    rng = np.random.default_rng(case)
    count = 1 + case % 3
    inputs, outputs = (int(n) for n in rng.integers(1, 9 if case % 2 else 90, 2))
    start, aim = (tuple(int(n) for n in rng.integers(1, 13, count)) for _ in range(2))
    target = params(inputs, aim, outputs) * float(rng.choice([1.0, 1.0, 0.97, 1.04]))

    def cost(widths: Widths) -> int:
        return params(inputs, widths, outputs)

    found = nearest_widths(cost, start, (1,) * count, target)
    best = brute_force(inputs, start, outputs, target)
    assert abs(cost(found) - target) == abs(best - target)


def random_spec(rng: np.random.Generator) -> dict[str, Any]:
    """One to four widths, in layers of several kinds, some in containers and some repeated."""
    layers: list[dict[str, Any]] = []
    for _ in range(rng.integers(1, 5)):
        width = int(rng.integers(4, 65))
        dense = {"type": "dense", "units": width}
        kind = rng.choice(["dense", "maxout", "highway", "checked", "block", "repeated"])
        layers += {
            "dense": [dense],
            "maxout": [{"type": "maxout", "units": width}],
            "highway": [dense, {"type": "highway", "repeat": 2}],
            "checked": [dense, {"type": "highway", "units": width}],
            "block": [dense, {"type": "residual", "layers": [dense, dense], "repeat": 2}],
            "repeated": [{**dense, "repeat": 3}],
        }[str(kind)]
    layers.append({"type": "dense", "units": 10})
    return {
        "layerkit": 1,
        "input": {"shape": [int(rng.integers(4, 100))]},
        "layers": layers,
        "output": {"classes": list("0123456789")},
    }


def cost_of(spec: Spec) -> int:
    return sum(one.parameters for one in spec.plan())


@pytest.mark.parametrize(
    "seeds", [range(20), pytest.param(range(20, 200), marks=pytest.mark.slow)], ids=["few", "all"]
)
def test_a_target_that_can_be_reached_is_reached_within_half_a_percent(seeds: range) -> None:
    for seed in seeds:
        rng = np.random.default_rng(seed)
        spec = read_spec(random_spec(rng))
        groups = widths_of(spec)
        values = {p: int(w) for g in groups for w in rng.integers(4, 65, 1) for p in g.paths}
        target = cost_of(with_numbers(spec, values))
        found = matched(spec, target, "params", Freedom())
        assert set(found.widths) == set(values)
        assert abs(found.cost - target) <= CLOSE * target, (seed, found)
        assert cost_of(with_numbers(spec, found.widths)) == found.cost
