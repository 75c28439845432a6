"""Derived forms of layers that nobody has seen give what their methods give as written.

``python -m tests.fuzz.layers`` goes on for longer (``make fuzz``), and makes what fails small.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from typing import Any

import numpy as np
import pytest

from layerkit.execution import products
from layerkit.execution.planned import memory, stage
from layerkit.recording import record as recording
from layerkit.recording.graph import readers
from tests.fuzz import layers
from tests.fuzz.cases import case_of
from tests.fuzz.trials import forms_here
from tests.fuzz.writing import draw

BLOCK = 20  # cases


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels of drawn layers are of no use to anybody else."""
    if importlib.util.find_spec("llvmlite"):
        machine = importlib.import_module("layerkit_plugins.compiled.llvm.machine")
        monkeypatch.setattr(machine, "_folder", lambda: None)


def report(seed: int, numbers: range, counts: Counter[str], *, only: str = "") -> str:
    """The faults of these cases, the first of them made small."""
    chosen = {k: f for k, f in forms_here().items() if only in k}
    for case, faults in layers.run(seed, numbers, forms_of=chosen, counts=counts):
        if faults:
            small = layers.smallest(faults[0], chosen[faults[0].form], seconds=20)
            again = f"python -m tests.fuzz.layers --seed {seed} --only {case.number}"
            return "\n".join((again, *(f"{f.form}: {f.text}" for f in faults), str(small)))
    return ""


@pytest.mark.parametrize(
    "block", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, 100))]
)
def test_forms_of_drawn_layers_give_what_their_methods_give(block: int) -> None:
    counts: Counter[str] = Counter()
    found = report(13, range(block * BLOCK, (block + 1) * BLOCK), counts)
    assert not found, found
    # The cases are worth their time: most layers can be recorded, and most results are compared.
    assert counts["refused"] < counts["layers"], counts
    assert counts["passes"] > 5 * BLOCK, counts
    assert counts["vague"] < 0.05 * counts["same bits"], counts


@pytest.mark.parametrize(
    "block", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, 4))]
)
def test_products_that_two_cores_share_may_run_in_any_order(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for large products: the second of two may be done before the first has begun."""

    def backwards(first: Any, second: Any) -> None:
        for a, b, out in (second, first):
            np.matmul(a, b, out)

    monkeypatch.setattr(products, "LARGE", 1)
    monkeypatch.setattr(products, "matmul_both", backwards)
    monkeypatch.setattr(products, "matmul", lambda a, b, out: np.matmul(a, b, out))
    found = report(17, range(block * BLOCK, (block + 1) * BLOCK), Counter(), only="planned")
    assert not found, found


def test_a_case_is_the_same_again() -> None:
    once, again = ([case_of(0, k).source() for k in range(30)] for _ in range(2))
    assert again == once
    assert len(set(once)) == 30


def test_drawn_layers_say_all_kinds_of_things() -> None:
    text = "\n".join(draw(k).source() for k in range(400))
    for words in (
        *("@ W", ".T @", "ctx.rng", "self.state[", "keepdims=True", "len(x)", "np.where", "+= "),
        *("concatenate", ".reshape(", "[:, ", "ctx.part(", "astype(np.int64)", "np.float64", "> 0"),
        *(".mean(axis=0)", ".var(", "einsum", "for j in range", "out=", "np.zeros_like", "1 / ("),
    ):
        assert text.count(words) >= 10, words


class TestTheJudgeSeesFaults:
    """Faults as a planner may have them; a judge that never finds anything would pass too."""

    def faults(self, only: str = "planned") -> str:
        chosen = {name: form for name, form in forms_here().items() if only in name}
        found = next((f for _, f in layers.run(13, range(60), forms_of=chosen) if f), [])
        return "\n".join(fault.text for fault in found)

    def test_memory_is_taken_over_while_it_is_still_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = memory.place

        def greedy(*args: Any, **kw: Any) -> Any:
            places = place(*args, **kw)
            for node in (node for kernels in args[:2] for kernel in kernels for node in kernel):
                home = places.homes.get(id(node))
                for arg in node.inputs() if home and memory.is_elementwise(node) else ():
                    other = places.homes.get(id(arg))
                    if other and (arg.shape, arg.dtype) == (node.shape, node.dtype):
                        places.homes[id(node)] = other
            return places

        monkeypatch.setattr(stage, "place", greedy)
        assert "allowed" in self.faults()

    def test_a_draw_that_nothing_reads_is_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        split = memory.split

        def without(graph: Any) -> Any:
            read = readers(graph.nodes())
            both = split(graph)
            return tuple([n for n in part if n.op != "random" or read[id(n)]] for part in both)

        monkeypatch.setattr(stage, "split", without)
        assert "the random streams stand elsewhere" in self.faults()

    def test_a_value_dies_too_early(self, monkeypatch: pytest.MonkeyPatch) -> None:
        place = memory.place

        def short(*args: Any, **kw: Any) -> Any:
            places = place(*args, **kw)
            for slot in places.slots:
                if slot.kind == "scratch":
                    slot.end = max(slot.begin, slot.end - 1)
            return places

        monkeypatch.setattr(stage, "place", short)
        assert "allowed" in self.faults()

    def test_a_recording_that_forgets_a_write(self, monkeypatch: pytest.MonkeyPatch) -> None:
        record = recording.record

        def forgetful(*args: Any, **kw: Any) -> Any:
            made = record(*args, **kw)
            state = dict(list(made.graph.state.items())[1:])
            made.graph = made.graph._replace(state=state)
            return made

        monkeypatch.setattr("tests.fuzz.forms.record", forgetful)
        assert "state" in self.faults("replay")
        # What is found is made small: a layer that a person can read.
        chosen = {"replay": forms_here()["replay"]}
        found = next(f for _, f in layers.run(13, range(60), forms_of=chosen) if f)
        small = layers.smallest(found[0], chosen["replay"], seconds=60).case
        assert len(small.programs) == 1
        assert small.programs[0].statements <= 5, small.source()
        assert small.sizes[0] <= 2
