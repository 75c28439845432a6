"""save then load is the identity, to the last bit, for any model."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import layerkit
from layerkit import ModelFileError

quiet = settings(derandomize=True, deadline=None, max_examples=60)

activations = st.sampled_from(["linear", "tanh", "relu", "gelu", "softplus"])
names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,9}", fullmatch=True)


@st.composite
def specs(draw: Any) -> dict[str, Any]:
    layers: list[dict[str, Any]] = []
    for name in draw(st.lists(names, max_size=4, unique=True)):
        kind = draw(st.sampled_from(["dense", "highway", "projection"]))
        layer: dict[str, Any] = {"type": kind, "activation": draw(activations), "name": name}
        if kind != "highway":
            layer["units"] = draw(st.integers(1, 5))
        else:
            layer["gate_bias"] = draw(st.floats(-5, 5, width=32))
        layer["use_bias"] = draw(st.booleans())
        layer["freeze"] = draw(st.booleans())
        layers.append(layer)
    scale = draw(st.none() | st.just({"divide": 4}) | st.just({"center": 1, "scale": 2}))
    return {
        "layerkit": 1,
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "input": {"shape": [draw(st.integers(1, 5))], "scale": scale},
        "layers": layers,
    }


def saved(model: layerkit.Model) -> bytes:
    stream = io.BytesIO()
    layerkit.save(model, stream)
    return stream.getvalue()


notes = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6).filter(lambda k: k != "__proto__"), inner, max_size=3)
    ),
    max_leaves=8,
)


@quiet
@given(specs(), st.integers(0, 2**32), notes)
def test_identity(spec: dict[str, Any], seed: int, note: Any) -> None:
    model = layerkit.build(spec)
    rng = np.random.default_rng(seed)
    model.network.params[...] = rng.standard_normal(model.network.size)
    model.metadata = {"note": note}
    model.metrics = {"test_loss": float(rng.random()), "nan": float("nan")}
    model.history = {"loss": rng.random(3), "val": np.full(3, np.nan)}
    raw = saved(model)
    again = layerkit.load(io.BytesIO(raw))
    assert again.network.params.tobytes() == model.network.params.tobytes()
    assert again.spec.to_document() == model.spec.to_document()
    assert repr(again.metadata) == repr(layerkit.inspect(io.BytesIO(raw)).header["metadata"])
    assert sorted(again.metrics) == ["nan", "test_loss"]
    for name, series in model.history.items():
        np.testing.assert_array_equal(again.history[name], series)
    rows = rng.standard_normal((5, spec["input"]["shape"][0]))
    assert again.predict(rows).tobytes() == model.predict(rows).tobytes()
    assert saved(again) == raw


@quiet
@given(hnp.arrays(np.uint32, 15, elements=st.integers(0, 2**32 - 1)))
def test_every_bit_pattern_of_a_weight_survives(bits: Any) -> None:
    """-0.0, subnormals, infinities and NaN payloads too."""
    model = layerkit.build(
        {"layerkit": 1, "input": {"shape": [4]}, "layers": [{"type": "dense", "units": 3}]}
    )
    model.network.params[...] = bits.view(np.float32)
    again = layerkit.load(io.BytesIO(saved(model)))
    assert again.network.params.tobytes() == bits.tobytes()


BASE = saved(
    layerkit.build(
        {
            "layerkit": 1,
            "input": {"shape": [3]},
            "layers": [{"type": "highway"}, {"type": "dense", "units": 2}],
            "output": {"classes": ["a", "b"]},
        }
    )
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.data())
def test_a_damaged_file_is_refused_with_an_error_of_our_own(data: st.DataObject) -> None:
    raw = bytearray(BASE)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "insert", "drop"]))
        if kind == "set":
            raw[place] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del raw[max(place, 1) :]
        elif kind == "insert":
            raw[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            del raw[place : place + 3]
        raw = raw or bytearray(b"\x00")
    try:
        layerkit.load(io.BytesIO(bytes(raw)))
    except ModelFileError:
        assert bytes(raw) != BASE
    else:
        assert bytes(raw) == BASE
