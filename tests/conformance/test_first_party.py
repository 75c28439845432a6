"""Every first-party part passes the kit, as third-party parts must; no part is named here.

tests/kit tests which bug each check finds.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import Part
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import REGISTRIES, initializer
from layerkit.specs.layers import arguments
from layerkit.testing import check_part, rules_for

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"
UNREADABLE = ("major", "required", "schema", "bare", "dtypes", "tiny")  # by design: not models

SKIPS = {
    "gradient.parameters": "the layer has no parameters",
    "update.zero_gradient": "the layer has no parameters",
    "gradient.activations": "no setting names an activation",
    "gradient.inputs": "the layer takes whole numbers only",
    "golden.migration": "no golden files are named, and config_version is 1",
    "reference.feed": "the class has no reference",
    "feeds.stacked": "so it cannot be stacked",
    **dict.fromkeys(("pass.loads", "stochastic.replay", "batch.disjoint"), "no rows are at hand"),
    "pass.equals": "this form holds weights and computes nothing",
    "pass.refuses": "this form holds weights and computes nothing",
}
"""Checks that may be skipped, and the only reason for which they may."""


def installed() -> list[Any]:
    """(kind, type name) of every part that the distribution layerkit offers."""
    found = [
        (kind, entry.name)
        for kind in REGISTRIES
        for entry in entry_points(group=f"layerkit.{kind}")
        if entry.dist is not None and entry.dist.name == "layerkit"
    ]
    return [pytest.param(kind, name, id=f"{kind}-{name}") for kind, name in sorted(found)]


def test_there_are_parts_of_every_kind() -> None:
    assert {param.values[0] for param in installed()} == set(REGISTRIES)
    assert len(installed()) >= 45


@pytest.mark.parametrize(("kind", "name"), installed())
def test_a_part_conforms(kind: str, name: str) -> None:
    part: type[Part] = REGISTRIES[kind][name]
    golden = [p for p in sorted(GOLDEN.glob("*.layerkit")) if p.stem not in UNREADABLE]
    report = check_part(part, golden=golden)
    report.raise_if_failed()
    assert report.planned == tuple(rule.id for rule in rules_for(kind))
    assert report.counts["expected failures"] == 0
    for outcome in report.outcomes:
        if outcome.status == "skipped":
            assert SKIPS.get(outcome.id, "no reason") in outcome.message


def test_parameters_start_from_their_seed_alone() -> None:
    for name in REGISTRIES["layers"].names():
        part: Any = REGISTRIES["layers"][name]
        for config, shape in part.examples():
            starts = []
            for seed in (0, 0, 1):
                layer = part(**arguments(part, config))
                network = Network(plan_layers([("layer", layer)], shape), np.dtype("f4"))
                network.initialise(seed, initializer)
                starts.append(network.params.tobytes())
            assert starts[0] == starts[1]
            params = network.planned[0].plan.params.values()
            drawn = any(isinstance(param.init, str) for param in params)  # else numbers alone
            assert (starts[0] != starts[2]) or not drawn, "a random start does not follow the seed"
