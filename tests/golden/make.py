"""Make golden files: python -m tests.golden.make [--replace NAME ...]

Writes the files of v1/ that are missing, and their entries in v1/expected.json, and nothing else.
Tests never run this: they fail for a missing file or entry.

A file that is there is only made anew with --replace NAME. That is right in one case: the file
itself breaks FORMAT.md, and no released layerkit wrote files like it. It is wrong when a test
fails because the code has changed. Files written yesterday are in the world; it is the code that
must read them. For a new layout, spec schema or config version, add a file beside the old ones.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import struct
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import layerkit
from layerkit import Array, Context, Layer, Model, Param, Plan, Rows, Shape
from layerkit.codec import write
from layerkit.model import FileLeftovers
from tests.fuzz.container import Header, assemble, take_apart
from tests.golden import acme

V1 = Path(__file__).parent / "v1"
INK = {"config_version": 1, "dist": "layerkit", "version": "1.0.0"}


def grid(rows: int, width: int) -> Array:
    """Whole numbers below 16 by a closed formula: the same on every machine."""
    i, j = np.ogrid[:rows, :width]
    whole: Array = (i * (2 * j + 7) + 3 * j * j + i * i // 5) % 16
    return whole.astype(np.float64)


def saved(model: Model, **options: Any) -> bytes:
    out = io.BytesIO()
    layerkit.save(model, out, **options)
    return out.getvalue()


def written(**sections: Any) -> bytes:
    out = io.BytesIO()
    write(out, **sections)
    return out.getvalue()


def spec_of(*layers: Header, **more: Any) -> Header:
    return {"schema": 1, "model": {"layers": list(layers)}, **more}


def tiny() -> bytes:
    """The worked example of FORMAT.md, section 13."""
    layer = {"type": "dense", "name": "d", "config": {"inputs": 2, "outputs": 1}}
    return written(
        spec=spec_of(layer),
        types={"dense": INK},
        tensors={
            "d.W": ("param", np.array([[1], [2]], "f4")),
            "d.b": ("param", np.array([0.5], "f4")),
        },
        producer={"name": "lkwrite", "version": "1.0"},
    )


def bare() -> bytes:
    return written(spec=spec_of(), types={}, tensors={})


def dtypes() -> bytes:
    values: dict[str, list[Any]] = {"bool": [True, False, True]}
    values |= {f"i{b}": [-(2 ** (b - 1)), -1, 2 ** (b - 1) - 1] for b in (8, 16, 32, 64)}
    values |= {f"u{b}": [0, 1, 2**b - 1] for b in (8, 16, 32, 64)}
    values |= {name: [-0.0, 1.5, -math.inf] for name in ("f16", "f32", "f64")}
    values |= {name: [1 - 2j, -0.5j, complex(3, math.inf)] for name in ("c64", "c128")}
    kinds = {"bool": "?", **{f"{k}{8 * n}": f"<{k}{n}" for k in "iu" for n in (1, 2, 4, 8)}}
    kinds |= {f"f{8 * n}": f"<f{n}" for n in (2, 4, 8)} | {"c64": "<c8", "c128": "<c16"}
    tensors = {f"t.{name}": ("state", np.array(v, kinds[name])) for name, v in values.items()}
    payloads = np.array([0x7FC00001, 0xFF800001, 0x80000000], "<u4").view("<f4")
    tensors |= {
        "t.nan": ("state", payloads),
        "t.scalar": ("state", np.array(2.25)),
        "t.scalar_bool": ("state", np.array(True)),
        "t.none": ("state", np.zeros((0, 3), "f4")),
        "t.none_deep": ("state", np.zeros((2, 0, 4), "i8")),
        "t.rank32": ("state", np.full((1,) * 32, 7, "i2")),
        "t.fortran": ("param", np.asfortranarray(grid(2, 3).astype("f4"))),
        "t.big_endian": ("param", grid(2, 3).astype(">f4")),
    }
    return written(
        spec=spec_of({"type": "acme.table", "name": "t", "config": {}}),
        types={"acme.table": {"config_version": 3, "dist": "acme-tables", "version": "2.1.0"}},
        tensors=tensors,
    )


def digits_like(layers: list[Header], **more: Any) -> Model:
    """A small classifier of three classes, trained for three epochs."""
    x = grid(45, 6)
    labels = np.array(["low", "mid", "high"])[(x.sum(axis=1) // 30).clip(0, 2).astype(int)]
    spec = {
        "layerkit": 1,
        "name": "golden",
        "input": {"shape": [6], "scale": "standardize"},
        "layers": [*layers, {"type": "dense", "units": 3}],
        "output": {"classes": ["low", "mid", "high"]},
        "train": {"epochs": 3, "batch_size": 8, "validation": 0.2, "seed": 4},
        **more,
    }
    return layerkit.train(spec, data={"train": Rows(x, labels=labels)}).model


def plain() -> bytes:
    layers = [{"type": "dense", "units": 5, "activation": {"type": "elu", "alpha": 0.5}}]
    return saved(digits_like(layers), weights_only=True)


def highway() -> bytes:
    layers = [
        {"type": "dense", "units": 4, "activation": "tanh"},
        {"type": "highway", "gate_bias": -1.5, "activation": "softplus", "repeat": 2},
    ]
    return saved(digits_like(layers))


def nested() -> bytes:
    dense = {"type": "dense", "units": 6, "activation": "tanh"}
    wide = {"type": "dense", "units": 2, "name": "wide"}
    deep = {"type": "sequence", "name": "deep", "layers": [{"type": "highway"}, dense]}
    layers: list[Header] = [
        {"type": "residual", "repeat": 2, "layers": [{**dense, "freeze": True}, dense]},
        {"type": "branch", "layers": [wide, deep]},
        {"type": "residual", "project": True, "layers": [{"type": "dense", "units": 4}]},
    ]
    return saved(digits_like(layers))


def recurrent() -> bytes:
    """Three steps of two numbers in each row."""
    layers = [
        {"type": "attention", "causal": True},
        {"type": "gru", "units": 3, "sequence": True, "use_bias": False},
        {"type": "highway_rnn", "units": 2, "depth": 2, "gate_bias": -1.0},
    ]
    model = digits_like(layers, input={"shape": [3, 2], "scale": {"divide": 16}})
    return saved(model, weights_only=True)


def images() -> bytes:
    """Six numbers a row as an image of one channel, beside the same as a series of three steps."""
    image: list[Header] = [
        {"type": "shift", "most": 1},
        {"type": "conv2d", "filters": 3, "kernel": [2, 3], "activation": "relu"},
        {"type": "conv_highway", "kernel": 1},
        {"type": "maxpool", "kernel": [1, 2], "stride": 1},
        {"type": "avgpool", "kernel": 2},
        {"type": "global_avgpool"},
    ]
    series: list[Header] = [
        {"type": "reshape", "shape": [3, 2]},
        {"type": "conv1d", "filters": 2, "kernel": 2, "padding": "causal"},
        {"type": "global_avgpool"},
    ]
    ways = [
        {"type": "sequence", "name": "image", "layers": image},
        {"type": "sequence", "name": "series", "layers": series},
    ]
    shape = {"shape": [1, 2, 3], "scale": {"divide": 16}}
    return saved(digits_like([{"type": "branch", "layers": ways}], input=shape), weights_only=True)


def codes() -> bytes:
    """Categories as codes, looked up beside a number that is scaled."""
    x = grid(48, 2)
    colors = (x[:, 0].astype(int) % 4).astype(str)
    colors[::9] = ""
    table = {"size": x[:, 1], "color": colors, "label": np.where(x[:, 0] > x[:, 1], "yes", "no")}
    color = {"name": "color", "categories": ["0", "1", "2"], "encode": "code"}
    rules = {"unknown": "other", "missing": "category"}
    look_up = [
        {"type": "select", "columns": [1]},
        {"type": "reshape", "shape": [1, -1]},
        {"type": "embedding", "size": 6, "units": 2},
        {"type": "flatten"},
    ]
    numbers = {"type": "select", "columns": [0], "name": "numbers"}
    ways = [numbers, {"type": "sequence", "name": "colors", "layers": look_up}]
    spec = {
        "layerkit": 1,
        "name": "golden-codes",
        "input": {"columns": ["size", {**color, **rules}], "scale": "standardize"},
        "layers": [{"type": "branch", "layers": ways}, {"type": "dense", "units": 2}],
        "output": {"column": "label", "classes": ["no", "yes"]},
        "train": {"epochs": 3, "batch_size": 8, "seed": 2},
    }
    return saved(layerkit.train(spec, data={"train": Rows(columns=table)}).model)


def projection() -> bytes:
    layers = [
        {"type": "projection", "units": 5, "use_bias": False, "activation": "gelu"},
        {"type": "projection", "units": 4, "carry_initializer": "mean", "freeze": True},
    ]
    return saved(digits_like(layers, dtype="float64"), weights_only=True)


def normalized() -> bytes:
    """Running figures, and layers that draw in training."""
    layers: list[Header] = [
        {"type": "dense", "units": 5},
        {"type": "batchnorm", "momentum": 0.75},
        {"type": "activation", "activation": "mish"},
        {"type": "dropout", "rate": 0.25},
        {"type": "maxout", "units": 4, "pieces": 3},
        {"type": "layernorm", "center": False},
        {"type": "gaussian_noise", "stddev": 0.25},
    ]
    return saved(digits_like(layers), weights_only=True)


def columns() -> bytes:
    """Named columns with gaps, a rule for them, and two scaled targets."""
    x = grid(40, 3)
    y = np.stack([x[:, 0] * 10 - x[:, 1] + 500, x[:, 2] / 8], axis=1)
    x[::7, 1] = np.nan
    names = ["age", "area, m²", "floor"]
    table = {name: x[:, j] for j, name in enumerate(names)}
    table |= {"price": y[:, 0], "rate": y[:, 1]}
    spec = {
        "layerkit": 1,
        "name": "golden-table",
        "dtype": "float64",
        "input": {"columns": names, "scale": "minmax", "missing": "median"},
        "layers": [
            {"type": "dense", "units": 4, "activation": "silu"},
            {"type": "highway"},
            {"type": "dense", "units": 2},
        ],
        "output": {"targets": ["price", "rate"], "scale": "standardize"},
        "train": {"epochs": 4, "batch_size": 8, "loss": "huber", "test": 0.2},
    }
    model = layerkit.train(spec, data={"train": Rows(columns=table)}).model
    return saved(model, weights_only=True)


def binary() -> bytes:
    """Classes that are whole numbers, one output for both."""
    x = grid(40, 2)
    spec = {
        "layerkit": 1,
        "name": "golden-binary",
        "input": {"shape": [2], "scale": {"divide": [16, 8]}, "missing": -1},
        "layers": [{"type": "dense", "units": 1}],
        "output": {"classes": [-7, 70000]},
        "train": {"epochs": 2, "loss": "sigmoid_cross_entropy", "optimizer": "rmsprop"},
    }
    rows = Rows(x, labels=np.where(x[:, 0] > x[:, 1], 70000, -7))
    return saved(layerkit.train(spec, data={"train": rows}).model, weights_only=True)


TRAINING: Header = {
    "layerkit": 1,
    "name": "golden-training",
    "dtype": "float64",
    "input": {"shape": [3], "scale": {"divide": 16}},
    "layers": [{"type": "highway", "activation": "tanh"}, {"type": "dense", "units": 2}],
    "output": {"classes": ["no", "yes"]},
    "train": {
        "epochs": 3,
        "batch_size": 8,
        "validation": 0.25,
        "optimizer": {"type": "adam", "learning_rate": 0.02},
        "schedule": {"type": "cosine"},
        "early_stopping": {"patience": 4},
        "metrics": ["accuracy", "log_loss"],
    },
}


def training_rows() -> dict[str, Rows]:
    x = grid(48, 3)
    return {"train": Rows(x, labels=np.where(x[:, 0] + x[:, 1] > 15, "yes", "no"))}


def training() -> bytes:
    """Optimizer slots and all that is needed to go on to epoch 6; history with NaN before."""
    model = layerkit.build(TRAINING)
    model.history = {"extra": np.array([1.0, np.nan, -0.0])}
    return saved(layerkit.train(model, data=training_rows()).model)


def full() -> bytes:
    """Every section that layerkit does not write itself, beside those that it does."""
    parts = take_apart(golden("training"))
    header, payloads = parts.copy()
    word = f"{2**127 + 5:032x}"
    stream = {"bit_generator": "PCG64", "has_uint32": 1, "inc": word, "state": word}
    header["training"]["rng"] = {"shuffle": {**stream, "uinteger": 2**32 - 1}}
    header["metrics"] |= {"nan": math.nan, "inf": -math.inf, "whole": 3, "below": -(2**63)}
    return assemble(header, payloads)


def tied() -> bytes:
    """y = ((x W + b) W + c) with one W for two layers; numbers without rounding."""
    spec = {
        "layerkit": 1,
        "name": "golden-tied",
        "input": {"shape": [2]},
        "layers": [
            {"type": "dense", "units": 2, "name": "encoder"},
            {"type": "dense", "units": 2, "name": "decoder"},
        ],
    }
    model = layerkit.build(spec)
    for name, (_, array) in model.network.tensors().items():
        array[...] = grid(2, 2) / 4 if name.endswith("W") else [0.5, -1.0]
    model.leftovers = FileLeftovers(aliases={"decoder.W": "encoder.W"})
    return saved(model)


def text() -> bytes:
    """Text of all sorts in metadata, columns and classes."""
    spec = {
        "layerkit": 1,
        "name": "golden-text",
        "input": {"columns": ["Höhe", "ширина", "\U0001f4cf"]},
        "layers": [{"type": "dense", "units": 2}],
        "output": {"classes": ["猫", "e\u0301"]},
    }
    model = layerkit.build(spec)
    edges = [0, 127, 128, 255, 256, 65535, 65536, 2**32, 2**64 - 1, -1, -32, -33, -128, -129]
    model.metadata = {
        "license": "MIT",
        "card": "# Café\n模型 \U0001f600",
        "ints": [*edges, -(2**15) - 1, -(2**31) - 1, -(2**63)],
        "floats": [-0.0, 5e-324, 1.7976931348623157e308, 1.0],
        "lengths": ["x" * n for n in (31, 32, 255, 256)],
        "nul": "a\0b",
        "terminal": "\x1b[2J\u202e",
        "": "empty key",
        "é": "composed",
        "e\u0301": "decomposed",
        "\uff5e": "before",
        "\U0001f600": "after: the order is that of UTF-8, not UTF-16",
        "array16": list(range(16)),
        "map16": {f"k{i:02}": None for i in range(16)},
        "nothing": [None, True, False, [], {}],
    }
    return saved(model)


def plugin() -> bytes:
    """A layer of acme-parts, with an empty and two 0-d tensors, one of them a state."""
    layers = [{"type": "acme.scale", "name": "s", "scale": 0.25}, {"type": "dense", "units": 2}]
    model = layerkit.build({"layerkit": 1, "input": {"shape": [2]}, "layers": layers})
    tensors = model.network.tensors()
    tensors["s.w"][1][...] = [3, -4]
    tensors["s.level"][1][...] = 1.25
    tensors["dense_1.W"][1][...] = [[1, 2], [4, 8]]
    return saved(model)


def plugin_old() -> bytes:
    """What acme-parts 1 wrote for the same model."""
    header, payloads = take_apart(golden("plugin")).copy()
    header["types"]["acme.scale"] |= {"config_version": 1, "version": "1.0"}
    header["spec"]["model"]["layers"][0]["config"] = {"percent": 25.0}
    return assemble(header, payloads)


def plugin_new() -> bytes:
    """What an acme-parts of the future writes."""
    header, payloads = take_apart(golden("plugin")).copy()
    header["types"]["acme.scale"] |= {"config_version": 3, "version": "3.0"}
    return assemble(header, payloads)


class Local(Layer):
    """y = x + b, known to the process that defines it only."""

    type_name = "golden.local"

    def plan(self, in_shape: Shape) -> Plan:
        """One parameter."""
        return Plan(in_shape, {"b": Param(in_shape, 0.25)})

    def feed(self, x: Array, ctx: Context) -> Array:
        """Add it."""
        y: Array = x + self.params["b"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Not needed."""
        raise NotImplementedError


def local() -> bytes:
    layerkit.register(Local)
    layers = [{"type": "golden.local"}]
    return saved(layerkit.build({"layerkit": 1, "input": {"shape": [2]}, "layers": layers}))


def newer() -> bytes:
    """plain.layerkit as format 1.1 might write it: all that is new may be ignored."""
    header, payloads = take_apart(golden("plain")).copy()
    header["features"]["optional"] = ["golden.note"]
    header["signatures"] = {"future": [1, None, 2.5]}
    header["producer"]["build"] = "é"
    header["selftest"]["seed"] = 7
    header["types"]["dense"]["abi"] = {}
    header["tensors"][0]["scale"] = 0.5
    return assemble(header, payloads, minor=1)


def required() -> bytes:
    """A dtype to come: a required feature says so before anything can be called malformed."""
    header, payloads = take_apart(golden("plain")).copy()
    header["features"]["required"] = ["dtype.bf16", "golden.must"]
    header["tensors"][0]["dtype"] = "bf16"
    return assemble(header, payloads, minor=1)


def schema() -> bytes:
    header, payloads = take_apart(golden("tiny")).copy()
    header["spec"] = {"schema": 2, "model": {"graph": "not a list of layers"}, "new": None}
    return assemble(header, payloads)


def major() -> bytes:
    """Major 2: nothing after byte 12 need be what it was."""
    return golden("tiny")[:10] + b"\x96\x02\x00" + struct.pack(">Q", 99) + b"something else"


def golden(name: str) -> bytes:
    return (V1 / f"{name}.layerkit").read_bytes()


@dataclass(frozen=True)
class Case:
    """One golden file and what readers are to make of it.

    ``inspect``, ``tensors``, ``load``: OK or the class of the error, ``mentions`` words of its
    text; ``acme``: what ``load`` says where acme-parts is installed, if that is something else.
    ``saves_as``: the golden file that ``save(load(F))`` gives, byte for byte.
    """

    make: Callable[[], bytes]
    load: str = "OK"
    saves_as: str = ""
    inspect: str = "OK"
    tensors: str = "OK"
    acme: str = ""
    mentions: tuple[str, ...] = ()
    rows: tuple[Any, ...] = ()


X6 = ((0, 1, 2, 3, 4, 5), (15, 0, 9.5, 1, -3, 8), (7, 7, 7, 7, 7, 7))
MISSING = ("acme-parts", "acme.scale", "pip install")
NEWER = "UnsupportedFormatError"

CASES = {
    "tiny": Case(tiny, "SpecError", mentions=("spec.model",)),
    "bare": Case(bare, "SpecError", mentions=("input",)),
    "dtypes": Case(dtypes, "PluginMissingError", mentions=("acme.table", "acme-tables")),
    "plain": Case(plain, saves_as="plain", rows=X6),
    "highway": Case(highway, saves_as="highway", rows=X6),
    "nested": Case(nested, saves_as="nested", rows=X6),
    "recurrent": Case(recurrent, saves_as="recurrent", rows=X6),
    "codes": Case(codes, saves_as="codes", rows=((5, 0), (1.5, 2), (7, "nan"), (3, 9))),
    "images": Case(images, saves_as="images", rows=X6),
    "projection": Case(projection, saves_as="projection", rows=X6),
    "normalized": Case(normalized, saves_as="normalized", rows=X6),
    "columns": Case(columns, saves_as="columns", rows=((1, 2, 3), (8.5, "nan", 15), (0, 0, 0))),
    "binary": Case(binary, saves_as="binary", rows=((1, 2), (12, 3), ("nan", 4))),
    "training": Case(training, saves_as="training", rows=((1, 2, 3), (15, 8, 0))),
    "full": Case(full, saves_as="full", rows=((1, 2, 3), (15, 8, 0))),
    "tied": Case(tied, saves_as="tied", rows=((1, 2), (-4, 0.5))),
    "text": Case(text, saves_as="text", rows=((1, 2, 3),)),
    "plugin": Case(
        *(plugin, "PluginMissingError", "plugin"),
        acme="OK",
        mentions=MISSING,
        rows=((1, 2), (-4, 8)),
    ),
    "plugin-old": Case(
        *(plugin_old, "PluginMissingError", "plugin"),
        acme="OK",
        mentions=MISSING,
        rows=((1, 2), (-4, 8)),
    ),
    "plugin-new": Case(
        *(plugin_new, "PluginMissingError"), acme="PluginVersionError", mentions=("acme.scale",)
    ),
    "local": Case(local, "PluginMissingError", mentions=("golden.local", "process")),
    "newer": Case(newer, saves_as="plain", rows=X6),
    "required": Case(required, *(NEWER, "", NEWER, NEWER), mentions=("dtype.bf16", "golden.must")),
    "schema": Case(schema, NEWER, mentions=("schema 2",)),
    "major": Case(major, *(NEWER, "", NEWER, NEWER), mentions=("2.0",)),
}


def facts(case: Case, raw: bytes) -> Header:
    """What is expected of a file, in plain JSON; numbers as text, since JSON has no NaN."""
    found: Header = {"about": (case.make.__doc__ or "").strip().split("\n")[0]}
    found |= {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    for key in ("inspect", "tensors", "load", "acme", "saves_as"):
        if getattr(case, key):
            found[key] = getattr(case, key)
    found["mentions"] = list(case.mentions)
    if raw[11] != 1:
        return found
    parts = take_apart(raw)
    header = parts.header
    found |= {"file_id": parts.file_id, "format": [1, parts.minor], "sections": sorted(header)}
    found["aliases"] = header["aliases"]
    found["table"] = [
        {
            **{key: record[key] for key in ("name", "role", "dtype", "shape", "nbytes", "offset")},
            "sha256": record["sha256"].hex(),
            "first": leading(parts.array(record["name"])) if case.tensors == "OK" else [],
        }
        for record in header["tensors"]
    ]
    if case.rows:
        model = layerkit.load(io.BytesIO(raw))
        rows = np.array(case.rows, np.float64)
        predicted = model.predict(rows)
        found["rows"] = [[repr(float(v)) for v in row] for row in rows]
        found["outputs"] = [[repr(float(v)) for v in row] for row in predicted]
        if model.classes is not None:
            found["labels"] = model.labels(predicted).tolist()
    return found


def leading(array: Array) -> list[Any]:
    """Up to eight leading values as text; complex ones as pairs."""
    flat = array.reshape(-1)[:8]
    if array.dtype.kind == "c":
        return [[repr(float(v.real)), repr(float(v.imag))] for v in flat]
    return [repr(float(v)) if array.dtype.kind == "f" else str(int(v)) for v in flat]


def resumed() -> Header:
    """Where the training in training.layerkit ends when it goes on to epoch 6."""
    model = layerkit.load(io.BytesIO(golden("training")))
    run = layerkit.resume(model, data=training_rows(), epochs=6, schedule="continue")
    return {
        "epochs": run.epochs,
        "steps": run.steps,
        "best_epoch": run.best_epoch,
        "metrics": {name: repr(value) for name, value in sorted(run.metrics.items())},
        "history": {name: [repr(float(v)) for v in s] for name, s in sorted(run.history.items())},
        "params": [repr(float(v)) for v in run.model.network.params],
    }


def page(expected: Header) -> str:
    """JSON with a line for each fact and each tensor."""

    def line(value: Any) -> str:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return "[\n  " + ",\n  ".join(map(line, value)) + "\n ]"
        return json.dumps(value, sort_keys=True, ensure_ascii=False)

    entries = [
        f"{line(name)}: {{\n"
        + ",\n".join(f" {line(key)}: {line(value)}" for key, value in sorted(entry.items()))
        + "\n}"
        for name, entry in sorted(expected.items())
    ]
    return "{\n" + ",\n".join(entries) + "\n}\n"


def main(words: list[str]) -> int:
    """Make what is missing and what is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--replace", nargs="+", default=[], choices=sorted(CASES), metavar="NAME")
    replace = set(parser.parse_args(words).replace)
    V1.mkdir(exist_ok=True)
    listing = V1 / "expected.json"
    expected = json.loads(listing.read_text("utf-8")) if listing.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        acme.install(Path(folder) / "site")
        sys.path.insert(0, str(Path(folder) / "site"))
        for name, case in CASES.items():
            path = V1 / f"{name}.layerkit"
            if path.exists() and name not in replace:
                continue
            raw = case.make()
            expected[path.name] = facts(case, raw)
            path.write_bytes(raw)
            if name == "training":
                expected["resumed"] = resumed()
            listing.write_text(page(expected), "utf-8")
            print(f"{path.name}: {len(raw)} bytes")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
