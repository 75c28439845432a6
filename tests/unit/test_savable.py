"""What trains can be saved: asked before the first batch, by the questions that saving asks."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import (
    Array,
    Context,
    Layer,
    LayerkitError,
    LimitExceededError,
    Limits,
    Metric,
    Model,
    ModelFileError,
    Optimizer,
    Param,
    Plan,
    Rows,
    Shape,
    SpecError,
)
from layerkit.codec import Shaped, open_document
from layerkit.discovery.registry import OPTIMIZERS
from layerkit.file import check_savable as savable
from layerkit.file.check_savable import check_savable

Register = Callable[[Any], Any]
HUGE = 10**20


def spec(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "layerkit": 1,
        "input": {"shape": [4]},
        "layers": [{"type": "dense", "units": 3}],
        "train": {"epochs": 1},
    }
    return {**base, **changes}


def rows(width: int = 4, labels: Any = ("a", "b", "c")) -> dict[str, Rows]:
    x = np.random.default_rng(0).random((12, width))
    return {"train": Rows(x, labels=np.array([labels[i % len(labels)] for i in range(12)]))}


def saved(model: Model, **options: Any) -> bytes:
    out = io.BytesIO()
    layerkit.save(model, out, **options)
    return out.getvalue()


def recipe(**changes: Any) -> dict[str, Any]:
    return spec(train={"epochs": 1, **changes})


def deep(layers: int) -> list[dict[str, Any]]:
    hidden = {"type": "highway", "repeat": layers}
    return [{"type": "projection", "units": 2}, hidden, {"type": "dense", "units": 3}]


SPECS: dict[str, dict[str, Any]] = {
    "patience": recipe(validation=0.2, early_stopping={"patience": HUGE}),
    "batch size": recipe(batch_size=HUGE),
    "step": recipe(schedule={"type": "step", "every": HUGE}),
    "warmup": recipe(schedule={"type": "warmup", "epochs": HUGE}),
    "top k": recipe(metrics=[{"type": "top_k", "k": HUGE}]),
    "a class beyond 64 bits": spec(output={"classes": [1, 2, 2**64]}),
    "a class of 64 bits": spec(output={"classes": [1, 2, 2**63]}),
    "half a class": spec(output={"classes": ["a", "b", "\ud800"]}),
    "half a column": spec(input={"columns": ["a", "b", "c", "\ud800"]}),
    "half a path": recipe(data="\ud800"),
    "half a weight": recipe(class_weights={"\udfff": 1.0}),
    "a weight": recipe(class_weights={"__proto__": 1.0}),
    "70,000 columns": spec(input={"columns": [f"c{i}" for i in range(70_000)]}),
    "70,000 inputs": spec(input={"shape": [70_000]}),
    "70,000 inputs, standardized": spec(input={"shape": [70_000], "scale": "standardize"}),
    "70,000 inputs, divided": spec(input={"shape": [70_000], "scale": {"divide": 255}}),
    "70,000 inputs, one by one": spec(
        input={"shape": [70_000], "scale": {"center": 0, "scale": [255.0] * 70_000}}
    ),
    "70,000 inputs, filled": spec(
        input={"shape": [70_000], "missing": "median", "scale": "minmax"}
    ),
    "70,000 classes": spec(layers=[{"type": "dense", "units": 70_000}]),
    "a long class": spec(output={"classes": ["a", "b", "c" * 2_000_000]}),
    "a class with NUL": spec(output={"classes": ["a", "b", "c\0d"]}),
    "clip_norm": recipe(clip_norm=1e308),
    "many layers": spec(layers=deep(10_000)),
    "too many tensors": spec(layers=deep(4_200)),
    "a huge divisor": spec(input={"shape": [4], "scale": {"divide": HUGE}}),
    "huge test values": recipe(test={"column": "fold", "values": [HUGE]}),
}
SAVED = {
    *("70,000 inputs", "70,000 inputs, standardized", "70,000 inputs, divided"),
    *("70,000 inputs, filled", "a class with NUL", "clip_norm", "a class of 64 bits"),
}


@pytest.mark.parametrize("name", SPECS)
def test_what_is_built_trains_saves_and_loads_or_is_refused_before(name: str) -> None:
    given = SPECS[name]
    if name not in SAVED:
        with pytest.raises(ModelFileError) as refused:
            check_savable(layerkit.build(given))
        error = refused.value
        at = getattr(error, "location", "") or getattr(error, "where", "")
        assert at, f"the error names no place: {error}"
        assert at in str(error)
        return
    check_savable(layerkit.build(given))
    columns = given["input"].get("columns")
    width = len(columns) if columns else given["input"]["shape"][0]
    labels = given.get("output", {}).get("classes", ["a", "b", "c"])
    model = layerkit.train(given, data=rows(width, labels)).model
    again = layerkit.load(io.BytesIO(saved(model)))
    x = np.random.default_rng(1).random((3, width))
    assert again.predict(x).tobytes() == model.predict(x).tobytes()
    assert again.contract == model.contract


def test_the_error_is_that_of_saving() -> None:
    model = layerkit.build(spec())
    model.metadata = {"note": {"a": [1, {"b": 2**70}]}}
    with pytest.raises(LayerkitError) as before:
        check_savable(model)
    with pytest.raises(LayerkitError) as after:
        saved(model)
    assert (type(before.value), str(before.value)) == (type(after.value), str(after.value))


@pytest.mark.parametrize("seed", [2**63, 2**64, -1])
def test_a_seed_that_would_not_load_is_not_saved(seed: int) -> None:
    model = layerkit.build(spec())
    model.spec = model.spec.with_train(seed=seed)
    for refuse in (check_savable, saved):
        with pytest.raises(SpecError, match=r"spec\.model\.train\.seed"):
            refuse(model)


class Drifting(Layer):
    """A layer with two states, which training moves."""

    type_name = "drifting"

    def plan(self, in_shape: Shape) -> Plan:
        state = {"mean": Param(in_shape, init=0.0), "steps": Param((), init=0.0)}
        return Plan(in_shape, {"gain": Param(in_shape, init=1.0)}, state=state)

    def feed(self, x: Array, ctx: Context) -> Array:
        if ctx.training:
            self.state["mean"] += 0.1 * (x.mean(axis=0) - self.state["mean"])
            self.state["steps"] += 1
        ctx.save(x)
        return x * self.params["gain"]

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (x,) = ctx.saved
        self.grads["gain"][...] = (dy * x).sum(axis=0)
        return dy * self.params["gain"]


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS.names()])
@pytest.mark.parametrize("stopping", [None, {"patience": 1, "min_delta": 1e9}])
def test_the_tensors_foreseen_are_those_that_are_saved(
    optimizer: str, stopping: Any, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(Drifting)
    seen: dict[str, Any] = {}
    monkeypatch.setattr(savable, "check_content", lambda tensors, **kw: seen.update(tensors, **kw))
    given = spec(
        layers=[{"type": "drifting"}, *deep(1)],
        train={
            "epochs": 3,
            "optimizer": optimizer,
            "validation": 0.3,
            "test": 0.2,
            "early_stopping": stopping,
            "metrics": ["accuracy", {"type": "top_k", "k": 1}, {"type": "top_k", "k": 2}],
        },
    )
    check_savable(layerkit.build(given))
    raw = saved(layerkit.train(given, data=rows()).model)
    with open_document(io.BytesIO(raw)) as document:
        assert {*document.tensors} == {name for name in seen if name in document.tensors}
        for name, record in document.tensors.items():
            foreseen = seen[name]
            assert foreseen.role == record.role
            if record.role in ("param", "state", "optimizer"):
                assert (foreseen.dtype, foreseen.shape) == (record.dtype, record.shape)
        tensors = {name for name, value in seen.items() if isinstance(value, Shaped)}
        assert tensors == {*document.tensors}
        header = document.header
        assert seen["metrics"].keys() == header["metrics"].keys()
        assert seen["history"].keys() == header["history"].keys()
        assert seen["training"].keys() == header["training"].keys()
        assert seen["training"]["optimizer"]["slots"] == header["training"]["optimizer"]["slots"]
        assert seen["training"]["callbacks"].keys() == header["training"]["callbacks"].keys()
        assert seen["types"].keys() == header["types"].keys()


def test_names_of_parts_that_a_file_cannot_hold_are_told_before(register: Register) -> None:
    class Odd(Metric):
        type_name = "a..b"
        target = ("class",)
        higher_is_better = True

        def value(self, predictions: Array, targets: Array, weights: Array | None = None) -> float:
            return 0.0

    class Rule(Optimizer):
        type_name = "wide-slot"
        slot_names = ("a slot",)
        learning_rate = 0.1

        def rule(self, p: Array, g: Array, slots: Any, scratch: Array) -> None:
            """Stand still."""

    register(Odd)
    register(Rule)
    for part in ({"metrics": ["a..b"]}, {"optimizer": "wide-slot"}):
        with pytest.raises(LayerkitError, match=r"a\.\.b|a slot"):
            check_savable(layerkit.build(recipe(**part)))


def test_limits_are_those_that_save_gets() -> None:
    model = layerkit.build(spec(input={"columns": [*"abcdefghijklmnopqrstuvwxyz"]}))
    with pytest.raises(LimitExceededError) as caught:
        check_savable(model, limits=Limits(items=25))
    error = caught.value
    assert (error.limit, error.value, error.allowed) == ("items", 26, 25)
    assert error.where == "spec.model.input.columns"
    assert "--limit items=" in (error.hint or "")
    wide = layerkit.build(SPECS["70,000 columns"])
    check_savable(wide, limits=Limits(items=1 << 17))


def test_what_is_asked_grows_with_the_layers() -> None:
    def calls(count: int) -> int:
        """Of functions, Python's and built in: times differ from run to run."""
        seen = 0

        def note(frame: object, event: str, argument: object) -> None:
            nonlocal seen
            seen += event in ("call", "c_call")

        model = layerkit.build(spec(layers=deep(count)))
        sys.setprofile(note)
        try:
            check_savable(model)
        finally:
            sys.setprofile(None)
        return seen

    assert calls(400) < 5 * calls(100)
