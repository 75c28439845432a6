"""Containers: right ones pass, and what a container gets wrong is found and named."""

from __future__ import annotations

import pytest

from layerkit import Layer
from layerkit.testing import check_layer
from tests.kit.containers import Container, Forgetful, OneContext, Twins, Unfed


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
@pytest.mark.parametrize("container", [Container, Twins])
def test_right_containers_pass(container: type[Layer], seed: int) -> None:
    check_layer(container, seed=seed).raise_if_failed()


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (Forgetful, "'dense_1' is among the layers inside, but not among the parts of the plan"),
        (Unfed, "plan declares 'dense_1.W', but feed never reads it"),
        (OneContext, "give each time a context of its own"),
    ],
)
def test_wrong_containers_are_led_to_the_fix(container: type[Layer], words: str) -> None:
    report = check_layer(container)
    assert not report.ok
    assert words in " ".join(str(report).split())
