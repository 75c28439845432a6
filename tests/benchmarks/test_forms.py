"""Nets of strangers' layers: every form takes the same steps; a form that does not is told."""

from __future__ import annotations

import numpy as np
import pytest

import layerkit
from benchmarks.speed import forms
from layerkit import Array, Context
from layerkit.discovery.engines import trouble
from layerkit.discovery.registry import LAYERS
from tests.strangers.gated import Gated
from tests.strangers.layernorm import LayerNorm
from tests.strangers.maxout import Maxout


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LAYERS, "_local", dict(LAYERS._local))
    for part in (Gated, LayerNorm, Maxout):
        layerkit.register(part)


@pytest.mark.parametrize("name", forms.NETS)
def test_every_form_takes_the_same_steps(name: str) -> None:
    made = forms.forms(name)
    assert set(made) == {"as written", "planned", *([] if trouble() else ["compiled"])}
    assert made["as written"].loop.learner.engines == []
    for form in made.values():
        assert len(set(form.losses)) == forms.STEPS_BEFORE  # other rows, other weights each time
    found = forms.in_turns(made, rounds=1, block=1e-4)
    assert all(len(seconds) == 1 for seconds in found.values())


def test_a_layer_that_runs_as_it_is_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gated, "eager", True)
    with pytest.raises(ValueError, match=r"gated, planned: \['strangers-gated_1'.* as written"):
        forms.forms("gated")


def test_other_losses_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Gated.feed

    def feed(self: Gated, x: Array, ctx: Context) -> Array:
        return honest(self, x, ctx) * np.float32(1.5 if type(x) is np.ndarray else 1.0)

    monkeypatch.setattr(Gated, "feed", feed)
    with pytest.raises(ValueError, match="gated, planned: "):
        forms.forms("gated")


def test_what_a_net_gains() -> None:
    found = {"as written": [4.0, 6.0, 2.0], "planned": [2.0, 2.0, 2.0]}
    assert forms.gained(found, "planned") == (2.0, 1.0)
