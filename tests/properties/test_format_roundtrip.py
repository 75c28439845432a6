"""Whatever a model holds, saving and loading is the identity, and its bytes are its own."""

from __future__ import annotations

import io
import math
from typing import Any

import msgpack
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layerkit.codec import DTYPES, Limits, load_tensors, open_document, write
from layerkit.codec.messagepack import decode, encode
from layerkit.errors import ModelFileError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = TEXT.filter(lambda key: key != "__proto__")
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5)
)
MAPS = st.dictionaries(KEYS, VALUES, max_size=5)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5)
ARRAYS = st.sampled_from(sorted(DTYPES)).flatmap(lambda name: hnp.arrays(DTYPES[name], SHAPES))
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_:@-]{0,10}", fullmatch=True)
MODELS = st.dictionaries(NAMES, ARRAYS, max_size=6)


def saved(arrays: dict[str, Any], metadata: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    write(
        out,
        spec={"schema": 1, "model": {"layers": [{"type": "t", "name": "d", "config": {}}]}},
        types={"t": {"config_version": 1, "dist": None, "version": None}},
        tensors={f"d.{name}": ("state", array) for name, array in arrays.items()},
        metadata=metadata,
    )
    return out.getvalue()


def same(left: object, right: object) -> bool:
    """Equal, of the same types, -0.0 being another number than 0.0, in any order of keys."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and repr(left) == repr(right)


@settings(max_examples=60)
@given(MAPS)
def test_encoding_is_msgpacks_and_decoding_its_inverse(value: dict[str, Any]) -> None:
    raw = encode(value)
    assert same(msgpack.unpackb(raw, strict_map_key=False), value)
    assert same(decode(raw, Limits()).value, value)


@given(st.binary(max_size=60))
def test_what_decodes_encodes_to_the_same_bytes(tail: bytes) -> None:
    """There is one spelling for a value: no other one gets through."""
    raw = b"\x81\xa1a" + tail
    try:
        decoded = decode(raw, Limits())
    except ModelFileError:
        return
    assert encode(decoded.value) == raw


@settings(max_examples=60)
@given(MODELS, MAPS)
def test_saving_and_loading_is_the_identity(arrays: dict[str, Any], metadata: Any) -> None:
    raw = saved(arrays, metadata)
    with open_document(io.BytesIO(raw)) as document:
        loaded = document.read()
    assert same(document.header["metadata"], metadata)
    assert loaded.keys() == {f"d.{name}" for name in arrays}
    for name, array in arrays.items():
        found = loaded[f"d.{name}"]
        assert found.dtype == array.dtype
        assert found.shape == array.shape
        assert found.tobytes() == array.tobytes()
    assert saved({n: loaded[f"d.{n}"] for n in arrays}, document.header["metadata"]) == raw


@settings(max_examples=60)
@given(MODELS, MAPS, st.randoms(use_true_random=False))
def test_bytes_are_a_function_of_content_alone(
    arrays: dict[str, Any], metadata: Any, random: Any
) -> None:
    shuffled = list(arrays.items())
    random.shuffle(shuffled)
    other = {}
    for name, array in shuffled:
        layout = random.choice(["plain", "fortran", "swapped", "strided"])
        if layout == "fortran":
            array = np.asfortranarray(array) if array.ndim else array
        elif layout == "swapped":
            array = array.astype(array.dtype.newbyteorder(">"))
        elif layout == "strided" and array.ndim:
            array = np.repeat(array, 2, axis=-1)[..., ::2]
        other[name] = array
    turned = dict(reversed(metadata.items()))
    assert saved(other, turned) == saved(arrays, metadata)


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_file_is_refused_by_nothing_but_a_model_file_error(data: Any) -> None:
    raw = bytearray(saved({"W": np.arange(6.0), "m": np.ones(3, bool)}, {"a": [1, math.pi]}))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        act = data.draw(st.sampled_from(["flip", "cut", "insert", "zero"]))
        if act == "flip":
            raw[at] ^= data.draw(st.integers(1, 255))
        elif act == "cut":
            del raw[at : at + data.draw(st.integers(1, 64))]
        elif act == "insert":
            raw[at:at] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            raw[at : at + 16] = bytes(len(raw[at : at + 16]))
        if not raw:
            break
    whole = saved({"W": np.arange(6.0), "m": np.ones(3, bool)}, {"a": [1, math.pi]})
    try:
        load_tensors(io.BytesIO(bytes(raw)))
    except ModelFileError:
        return
    assert bytes(raw) == whole
