"""How a rule, or the kernel that an engine gives for it, is applied to the flat vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Array, Optimizer


class Pulled(Optimizer):
    """v = v + g and p = p - rate (v + decay p)."""

    type_name = "test.pulled"
    slot_names = ("v",)
    block = 10

    def __init__(self, *, learning_rate: float = 0.5) -> None:
        self.learning_rate = learning_rate

    def rule(self, p: Array, g: Array, slots: Any, scratch: Array) -> None:
        slots[0][...] += g
        p -= self.rate * (slots[0] + self.decay * p)


def stepped(rule: Optimizer, *, masked: bool = True) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    p, g = rng.standard_normal((2, 34))
    rule.bind(p, g, (np.arange(34.0) % 3 == 0) * 1.0 if masked else None)
    for rate in (0.1, 0.2):
        rule.begin(rate)
        rule.apply(slice(1, 33))
    return p, rule.slots["v"]


@pytest.mark.parametrize("masked", [False, True])
def test_a_kernel_is_called_in_place_of_the_rule(masked: bool) -> None:
    seen = []

    def kernel(p: Array, g: Array, slots: Any, numbers: Any, decay: Any) -> None:
        seen.append((len(p), tuple(numbers.items()), np.shape(decay)))
        slots[0][...] += g
        p -= numbers["rate"] * (slots[0] + (1.0 if decay is None else decay) * p)

    wanted = stepped(Pulled(), masked=masked)
    rule = Pulled()
    rule.kernel = kernel
    for found, plain in zip(stepped(rule, masked=masked), wanted, strict=True):
        np.testing.assert_array_equal(found, plain)
    steps = [(("rate", 0.1), ("steps", 1)), (("rate", 0.2), ("steps", 2))]
    assert [numbers for _, numbers, _ in seen] == steps[:1] * 4 + steps[1:] * 4
    assert [size for size, _, _ in seen] == [8] * 8
    assert {shape for _, _, shape in seen} == {(8,) if masked else ()}


def test_large_vectors_are_shared_among_threads_by_kernels_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from layerkit.core import optimizer

    monkeypatch.setattr(optimizer, "_LARGE", 16)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("LAYERKIT_THREADS", threads)
        rule = Pulled()
        rule.kernel = lambda p, g, slots, numbers, decay: np.subtract(p, g * decay, p)
        found.append(stepped(rule)[0])
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != stepped(Pulled())[0]).any()
