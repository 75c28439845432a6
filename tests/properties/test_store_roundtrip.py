"""Any model at all: saving, loading and saving again gives equal bytes and equal predictions."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

import layerkit
from layerkit import Array, LayerkitError, Model, Rows
from tests.fuzz import fuzz
from tests.fuzz.container import vouch

quiet = settings(
    derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None
)

# No category Cs: a lone surrogate is no Unicode text. "__proto__" is refused by rule 2.4.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KEYS = TEXT.filter(lambda key: key != "__proto__")
LABELS = st.text("abcé猫 \n'\"", min_size=1, max_size=5).map(str.strip).filter(bool)
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
SERIES = st.from_regex(r"[a-z0-9_][a-z0-9_:@-]{0,6}(\.[a-z0-9_]{1,4})?", fullmatch=True)
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,9}", fullmatch=True)
SMALL = st.floats(0.125, 2, width=16)

ACTIVATIONS = st.sampled_from(
    ["linear", "relu", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus"]
) | st.one_of(
    st.builds(lambda v: {"type": "leaky_relu", "slope": v / 2}, SMALL.filter(lambda v: v < 2)),
    st.builds(lambda v: {"type": "elu", "alpha": v}, SMALL),
)
INITIALIZERS = st.sampled_from(
    ["glorot_uniform", "glorot_normal", "he_uniform", "lecun_normal", "uniform", "normal", "zeros"]
)
OPTIMIZERS = st.sampled_from(["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop"])
SCHEDULES = st.sampled_from(["constant", "exponential", "step", "cosine", "warmup"])


@st.composite
def layers(draw: Any, width: int) -> list[dict[str, Any]]:
    found = []
    for name in draw(st.lists(NAMES, max_size=4, unique_by=str)):
        kind = draw(st.sampled_from(["dense", "highway", "projection"]))
        layer = {"type": kind, "name": name, "activation": draw(ACTIVATIONS)}
        layer["initializer"] = draw(INITIALIZERS)
        layer |= {"use_bias": draw(st.booleans()), "freeze": draw(st.booleans())}
        if kind != "highway":
            layer["units"] = draw(st.integers(1, 5))
        if kind != "dense":
            layer["gate_bias"] = draw(st.floats(-5, 5, width=32))
        if kind == "projection":
            layer["carry_activation"] = draw(ACTIVATIONS)
            layer["carry_initializer"] = draw(st.sampled_from(["ones", "mean", "normal"]))
        found.append(layer)
    return [*found, {"type": "dense", "units": width, "name": "the-last-one"}]


@st.composite
def outputs(draw: Any) -> tuple[dict[str, Any], int, Any]:
    """The section of a spec, the width of the last layer, and the labels to train on, if any."""
    kind = draw(st.sampled_from(["none", "text", "whole", "binary", "targets"]))
    if kind == "none":
        return {}, draw(st.integers(1, 4)), None
    if kind == "targets":
        names = draw(st.lists(LABELS, min_size=1, max_size=3, unique=True))
        scale = draw(st.sampled_from([None, "standardize"]))
        return {"targets": names, "scale": scale}, len(names), "numbers"
    each: Any = LABELS if kind == "text" else st.integers(-(2**53), 2**53)
    most = 2 if kind == "binary" else 4
    classes = draw(st.lists(each, min_size=2, max_size=most, unique_by=str))
    if kind == "binary":
        return {"classes": classes, "link": "sigmoid"}, 1, classes
    return {"classes": classes}, len(classes), classes


@st.composite
def inputs(draw: Any) -> dict[str, Any]:
    width = draw(st.integers(1, 4))
    some = {"columns": draw(st.lists(LABELS, min_size=width, max_size=width, unique=True))}
    scale = [
        *(None, "standardize", "minmax", {"divide": 3}),
        {"center": [1.5] * width, "scale": [-2.0] * width},
    ]
    return {
        **draw(st.sampled_from([{"shape": [width]}, some])),
        "scale": draw(st.sampled_from(scale)),
        "missing": draw(st.sampled_from(["error", "mean", "median", -1.25, 3])),
    }


@st.composite
def models(draw: Any) -> Model:
    """Built or trained, with anything in it that a user may put there."""
    taken = draw(inputs())
    given_, width, labels = draw(outputs())
    # A column that is also a target is refused: it would be the answer.
    assume(not {*(taken.get("columns") or ())} & {*(given_.get("targets") or ())})
    spec: dict[str, Any] = {
        "layerkit": 1,
        "name": draw(NAMES),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "input": taken,
        "layers": draw(layers(width)),
        "output": given_,
    }
    trained = labels is not None and draw(st.booleans())
    if trained:
        spec["train"] = draw(recipes(numeric=labels == "numbers", binary=width == 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if trained:
        try:
            model = layerkit.train(spec, data={"train": rows_for(taken, labels, width, rng)}).model
        except layerkit.TrainingDivergedError:
            trained = False
    if not trained:
        model = layerkit.build(spec)
        model.network.params[...] = rng.standard_normal(model.network.size)
    event("trained" if trained else "built")
    model.metadata = draw(st.dictionaries(KEYS, VALUES, max_size=3))
    model.metadata.pop("license", None)
    model.metadata.pop("card", None)
    odd = st.floats() | st.integers(-(2**63), 2**64 - 1)
    model.metrics |= draw(st.dictionaries(SERIES, odd, max_size=3))
    series = st.lists(st.floats(), max_size=4).map(np.array)
    model.history |= draw(st.dictionaries(SERIES, series, max_size=2))
    return model


@st.composite
def recipes(draw: Any, *, numeric: bool, binary: bool) -> dict[str, Any]:
    loss = ["mse", "huber"] if numeric else [None]
    if binary and not numeric:
        loss = ["sigmoid_cross_entropy"]
    recipe = {
        "epochs": draw(st.integers(1, 2)),
        "batch_size": draw(st.integers(1, 20)),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "validation": draw(st.sampled_from([0.0, 0.25])),
        "optimizer": draw(OPTIMIZERS | st.just({"type": "sgd", "learning_rate": 0.5})),
        "schedule": draw(SCHEDULES),
        "loss": draw(st.sampled_from(loss)),
        "weight_decay": draw(st.sampled_from([0.0, 0.01])),
    }
    if recipe["validation"]:
        recipe["early_stopping"] = draw(st.sampled_from([None, {"patience": 1}]))
    return recipe


def rows_for(taken: dict[str, Any], labels: Any, width: int, rng: np.random.Generator) -> Rows:
    columns = taken.get("columns")
    x = np.round(rng.standard_normal((16, len(columns) if columns else taken["shape"][0])), 2)
    if taken["missing"] != "error":
        x[3, 0] = np.nan
    if labels == "numbers":
        y: Array = rng.standard_normal((16, width))
    else:
        y = np.array([labels[k % len(labels)] for k in range(16)], object)
    if columns is None:
        return Rows(x, labels=y)
    return Rows(columns={name: x[:, j] for j, name in enumerate(columns)}, labels=y)


def saved(model: Model, **options: Any) -> bytes:
    out = io.BytesIO()
    layerkit.save(model, out, **options)
    return out.getvalue()


def loaded(raw: bytes) -> Model:
    return layerkit.load(io.BytesIO(raw))


def answer(model: Model) -> bytes | str:
    """Predictions to the last bit, or why there are none."""
    width = model.spec.in_shape[0]
    rows = np.linspace(-3, 3, 7 * width).reshape(7, width)
    if model.contract.input.missing is not None:
        rows[2, 0] = np.nan
    try:
        with np.errstate(all="ignore"):
            predicted: bytes = model.predict(rows).tobytes()
    except LayerkitError as error:
        return str(error)
    return predicted


@quiet
@given(models())
def test_save_load_save(model: Model) -> None:
    raw = saved(model)
    again = loaded(raw)
    assert saved(again) == raw
    assert saved(loaded(saved(again))) == raw
    assert saved(model) == raw
    assert answer(again) == answer(model)
    assert again.network.params.tobytes() == model.network.params.tobytes()
    assert again.spec.to_document() == model.spec.to_document()
    assert again.contract == model.contract
    assert repr(again.metrics) == repr(dict(sorted(model.metrics.items())))
    assert sorted(again.history) == sorted(model.history)
    for name, series in model.history.items():
        np.testing.assert_array_equal(again.history[name], series)
    vouch(raw)


@quiet
@given(models())
def test_without_what_only_training_needs(model: Model) -> None:
    raw = saved(model, weights_only=True)
    again = loaded(raw)
    assert saved(again) == raw
    assert answer(again) == answer(model)
    header = vouch(raw).header
    assert "training" not in header
    assert "history" not in header
    assert {record["role"] for record in header["tensors"]} <= {"param", "state", "selftest"}


STOCK = fuzz.bases()


@settings(quiet, max_examples=60)
@given(st.data())
def test_damaged_bytes_raise_layerkit_errors_only(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(STOCK))
    raw = bytearray(base.raw)
    end = min(87 + len(base.encoded), len(raw) - 1)
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, end) | st.integers(end, len(raw) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=9))
        whole = raw[at : at + len(piece)]
        raw[at : at + data.draw(st.sampled_from([len(piece)] * 3 + [0, 1]))] = piece[: len(whole)]
    if bytes(raw) == base.raw:
        return
    for read in (layerkit.inspect, layerkit.load_tensors, layerkit.load):
        try:
            read(io.BytesIO(bytes(raw)))
        except (LayerkitError, OSError, MemoryError):
            continue
        # What is not read is not checked: an inspection reads the header only.
        header = 87 + len(base.encoded)
        assert read is layerkit.inspect
        assert raw[:header] == base.raw[:header]
