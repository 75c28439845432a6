"""Right layers of many sorts pass at every seed: the kit raises no false alarm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from layerkit import Layer
from layerkit.discovery.registry import REGISTRIES
from layerkit.testing import check_layer, rules_for
from tests.kit.right import Drop, Norm, Pool, Rows, Slide
from tests.kit.strangers import STRANGE, Mixed

OUTSIDE = ("docs.", "import.", "file.", "global.files_and_network", "global.settings")
"""Checks that look at the docstring or ask another process: the same for all of them."""
ONLY = [rule.id for rule in rules_for("layers") if not rule.id.startswith(OUTSIDE)]

LAYERS: tuple[type[Layer], ...] = (*STRANGE, Norm, Drop, Slide, Pool, Rows)

each = pytest.mark.parametrize("layer", LAYERS, ids=lambda cls: cls.type_name.split(".")[1])


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """The layers that containers name in their examples."""
    inside = (Norm, Drop, Rows)
    for layer in inside:
        REGISTRIES["layers"].register(layer)
    yield
    for layer in inside:
        REGISTRIES["layers"].unregister(layer.type_name)


def assert_conforms(layer: type[Layer], seed: int) -> None:
    report = check_layer(layer, only=ONLY, seed=seed)
    assert report.ok, report.text()
    assert report.counts["skipped"] <= 6


@each
def test_a_right_layer_conforms(layer: type[Layer]) -> None:
    assert_conforms(layer, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@each
def test_a_right_layer_conforms_under_other_seeds(layer: type[Layer], seed: int) -> None:
    assert_conforms(layer, seed)


def test_there_are_twenty_of_them() -> None:
    assert len(set(LAYERS)) >= 20


def test_looking_up_an_activation_in_plan_is_no_file_of_the_layer() -> None:
    report = check_layer(Mixed, only="global.files_and_network")
    assert report.ok, report.text()
