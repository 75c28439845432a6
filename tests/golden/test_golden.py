"""Files written once are read the same for ever: bytes, numbers, predictions and refusals.

``make.py`` wrote them and its docstring says when one may be written again. Nothing here makes,
mends or skips a file: one that is missing or has no expectation fails.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Model, ModelFileError
from layerkit.codec import open_document
from layerkit.discovery import registry
from tests.fuzz.container import assemble, take_apart, vouch
from tests.golden import make

V1 = Path(__file__).parent / "v1"
SHARED = Path(os.environ.get("LAYERKIT_SHARED", Path(__file__).parents[3] / "shared")) / "format"
NAMES = (
    *(
        "bare",
        "binary",
        "codes",
        "columns",
        "dtypes",
        "full",
        "highway",
        "local",
        "major",
        "nested",
        "newer",
        "plain",
    ),
    *("plugin", "plugin-new", "plugin-old", "projection", "required", "schema", "text", "tied"),
    *("tiny", "training", "images", "recurrent", "normalized"),
)
LOADABLE = (
    *(
        "binary",
        "codes",
        "columns",
        "full",
        "highway",
        "nested",
        "newer",
        "plain",
        "projection",
        "text",
        "tied",
    ),
    *("training", "images", "recurrent", "normalized"),
)
PLUGINS = ("plugin", "plugin-old")
READABLE = tuple(name for name in NAMES if name not in ("major", "required"))
KINDS = ("path", "mmap", "stream")

Expected = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def expected() -> Expected:
    listing: Expected = json.loads((V1 / "expected.json").read_text("utf-8"))
    return listing


def path_of(name: str) -> Path:
    return V1 / f"{name}.layerkit"


def read(name: str) -> bytes:
    return path_of(name).read_bytes()


def load(name: str, kind: str = "stream", **options: Any) -> Model:
    if kind == "stream":
        return layerkit.load(io.BytesIO(read(name)), **options)
    return layerkit.load(path_of(name), mmap=kind == "mmap", **options)


def saved(model: Model) -> bytes:
    out = io.BytesIO()
    layerkit.save(model, out)
    return out.getvalue()


def of_today(raw: bytes) -> bytes:
    """The file as the layerkit of today would have written it: versions apart, the same (9.7)."""
    header, payloads = take_apart(raw).copy()
    header["producer"]["version"] = layerkit.__version__
    for record in header["types"].values():
        if record["dist"] == "layerkit":
            record["version"] = version("layerkit")
    return assemble(header, payloads)


def numbers(rows: list[list[str]]) -> Array:
    return np.array([[float(v) for v in row] for row in rows])


def test_every_file_has_an_expectation_and_every_expectation_a_file(expected: Expected) -> None:
    assert sorted(path.name for path in V1.iterdir()) == sorted(
        ["expected.json", *(f"{name}.layerkit" for name in NAMES)]
    )
    assert sorted(expected) == sorted(["resumed", *(f"{name}.layerkit" for name in NAMES)])
    assert {n for n in NAMES if expected[f"{n}.layerkit"]["load"] == "OK"} == {*LOADABLE}
    assert {n for n in NAMES if expected[f"{n}.layerkit"].get("acme") == "OK"} == {*PLUGINS}
    assert sum(path.stat().st_size for path in V1.iterdir()) < 400_000


@pytest.mark.parametrize("name", NAMES)
def test_no_byte_has_changed(expected: Expected, name: str) -> None:
    raw, want = read(name), expected[f"{name}.layerkit"]
    assert len(raw) == want["size"]
    assert hashlib.sha256(raw).hexdigest() == want["sha256"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", READABLE)
def test_tensors_and_header_are_what_they_were(expected: Expected, name: str, kind: str) -> None:
    want = expected[f"{name}.layerkit"]
    source = io.BytesIO(read(name)) if kind == "stream" else path_of(name)
    with open_document(source, mmap=kind == "mmap") as document:
        arrays = document.read()
        assert document.file_id == want["file_id"]
        assert document.size == want["size"]
        assert list(document.version) == want["format"]
        assert document.aliases == want["aliases"]
        header = {*document.header, *(f for f in document.unknown_fields if f in want["sections"])}
        assert sorted(header) == want["sections"]
        assert [*document.tensors] == [record["name"] for record in want["table"]]
        for record in want["table"]:
            found, array = document.tensors[record["name"]], arrays[record["name"]]
            assert [found.role, found.dtype, found.nbytes, found.offset, found.sha256.hex()] == [
                record[key] for key in ("role", "dtype", "nbytes", "offset", "sha256")
            ]
            assert list(array.shape) == record["shape"]
            assert make.leading(array) == record["first"]
            assert hashlib.sha256(array.tobytes()).hexdigest() == record["sha256"]
        for alias, target in want["aliases"].items():
            assert arrays[alias] is arrays[target]


@pytest.mark.parametrize("name", READABLE)
def test_an_independent_reader_finds_the_same(expected: Expected, name: str) -> None:
    """FORMAT.md section 14: the msgpack package and NumPy; then put together again."""
    parts = vouch(read(name))
    arrays = layerkit.load_tensors(path_of(name))
    assert parts.file_id == expected[f"{name}.layerkit"]["file_id"]
    for record in parts.header["tensors"]:
        array = parts.array(record["name"])
        assert array.dtype == arrays[record["name"]].dtype
        assert array.tobytes() == arrays[record["name"]].tobytes()


def test_files_that_are_too_new_are_whole_all_the_same() -> None:
    header, payloads = take_apart(read("required")).copy()
    assert assemble(header, payloads, minor=1) == read("required")
    assert read("major")[:13] == b"\x83\xa8layerkit\x96\x02\x00"


@pytest.mark.parametrize("name", NAMES)
def test_each_reader_gives_its_verdict(expected: Expected, name: str) -> None:
    want = expected[f"{name}.layerkit"]
    readers: dict[str, Callable[[Path], Any]] = {
        "inspect": layerkit.inspect,
        "tensors": layerkit.load_tensors,
        "load": layerkit.load,
    }
    for key, reader in readers.items():
        if want.get(key, "OK") == "OK":
            reader(path_of(name))
            continue
        with pytest.raises(ModelFileError) as caught:
            reader(path_of(name))
        assert type(caught.value).__name__ == want[key], key
        assert [word for word in want["mentions"] if word not in str(caught.value)] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LOADABLE)
def test_models_predict_what_they_predicted(expected: Expected, name: str, kind: str) -> None:
    predicts(load(name, kind), expected[f"{name}.layerkit"])


def predicts(model: Model, want: dict[str, Any]) -> None:
    rows, outputs = numbers(want["rows"]), numbers(want["outputs"])
    predicted = model.predict(rows)
    # Another BLAS adds in another order; a wrong rule for the rows is far off.
    near = 1e-4 if model.spec.dtype == "float32" else 1e-9
    np.testing.assert_allclose(predicted, outputs, rtol=near, atol=near)
    if model.classes is not None:
        assert model.labels(predicted).tolist() == want["labels"]


def test_tied_weights_compute_what_the_formula_says() -> None:
    model = load("tied")
    w = np.array([[0.0, 0.75], [1.75, 3.0]])
    b = np.array([0.5, -1.0])
    x = np.array([[1.0, 2.0], [-4.0, 0.5]])
    np.testing.assert_array_equal(model.predict(x), (x @ w + b) @ w + b)
    assert take_apart(read("tied")).header["aliases"] == {"decoder.W": "encoder.W"}


@pytest.mark.parametrize("name", [*LOADABLE, "local"])
def test_saving_what_was_loaded_gives_the_same_bytes(
    expected: Expected, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "local":
        monkeypatch.setitem(registry.LAYERS._local, make.Local.type_name, make.Local)
        assert saved(load(name)) == of_today(read(name))
        return
    same = expected[f"{name}.layerkit"]["saves_as"]
    for kind in KINDS:
        assert saved(load(name, kind)) == of_today(read(same))


def test_a_newer_minor_loses_what_is_unknown_and_nothing_else() -> None:
    found = layerkit.inspect(path_of("newer"))
    assert found.version == (1, 1)
    unknown = ("signatures", "build", "seed", "abi", "scale")
    assert all(any(word in field for field in found.unknown_fields) for word in unknown)
    assert load("newer").network.params.tobytes() == load("plain").network.params.tobytes()


def test_text_comes_back_as_it_was() -> None:
    model = load("text")
    assert model.metadata["é"] == "composed"
    assert model.metadata["e\u0301"] == "decomposed"
    assert model.metadata["nul"] == "a\0b"
    assert model.metadata["ints"][8] == 2**64 - 1
    assert str(model.metadata["floats"][0]) == "-0.0"
    assert model.classes == ("猫", "e\u0301")
    assert model.contract.input.columns == ("Höhe", "ширина", "\U0001f4cf")


def test_the_command_line_shows_text_from_a_file_safely(
    capfd: pytest.CaptureFixture[str],
) -> None:
    from layerkit.cli import run

    for words in ([], ["--spec"], ["--json"], ["--tensors"]):
        assert run(["inspect", *words, str(path_of("text"))]) == 0
        out, err = capfd.readouterr()
        assert not {c for c in out + err if not c.isprintable() and c != "\n"}
    assert run(["inspect", str(path_of("text"))]) == 0
    assert r"\x1b[2J\u202e" in capfd.readouterr().out


def test_history_keeps_what_is_no_number() -> None:
    model = load("full")
    assert repr(model.history["extra"].tolist()) == repr(
        [1.0, float("nan"), -0.0, *[float("nan")] * 3]
    )
    assert repr(model.metrics["nan"]) == "nan"
    assert model.metrics["inf"] == -np.inf
    assert type(model.metrics["whole"]) is int
    assert model.metrics["below"] == -(2**63)


def test_training_goes_on_where_it_stopped(expected: Expected) -> None:
    want = expected["resumed"]
    run = layerkit.resume(
        load("training"), data=make.training_rows(), epochs=6, schedule="continue"
    )
    assert (run.epochs, run.steps, run.best_epoch) == tuple(
        want[key] for key in ("epochs", "steps", "best_epoch")
    )
    np.testing.assert_allclose(run.model.network.params, numbers([want["params"]])[0], rtol=1e-6)
    assert sorted(run.metrics) == sorted(want["metrics"])
    for name, value in want["metrics"].items():
        assert run.metrics[name] == pytest.approx(float(value), rel=1e-6)
    assert sorted(run.history) == sorted(want["history"])
    before = load("training").history
    for name, values in want["history"].items():
        np.testing.assert_allclose(run.history[name], numbers([values])[0], rtol=1e-6)
        np.testing.assert_array_equal(run.history[name][: len(before[name])], before[name])


@pytest.mark.usefixtures("acme_parts")
@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_that_is_there_is_used_and_migrated(expected: Expected, name: str) -> None:
    want = expected[f"{name}.layerkit"]
    for kind in KINDS:
        model = load(name, kind)
        predicts(model, want)
        np.testing.assert_array_equal(
            model.predict([[1, 2], [-4, 8]]), by_hand(np.array([[1, 2], [-4, 8]]))
        )
        assert saved(model) == of_today(read("plugin"))
    layer = model.network.layers[0]
    assert layer.params["level"].shape == ()
    assert layer.params["none"].shape == (0, 3)
    assert layer.state["seen"] == 7


def by_hand(rows: Array) -> Array:
    """What plugin.layerkit computes, by hand."""
    y: Array = (rows * [3, -4] * 0.25 + 1.25) @ [[1, 2], [4, 8]]
    return y


@pytest.mark.usefixtures("acme_parts")
def test_a_plugin_that_is_older_than_the_file_or_not_allowed_is_refused() -> None:
    for allowed in (False, {"layerkit"}, {"other-parts"}):
        with pytest.raises(layerkit.PluginNotAllowedError):
            load("plugin", allow_plugins=allowed)
    assert "acme_parts" not in sys.modules
    load("plugin", allow_plugins={"acme-parts", "layerkit"})
    with pytest.raises(layerkit.PluginVersionError) as caught:
        load("plugin-new")
    assert "version 3" in str(caught.value)
    assert "version 2" in str(caught.value)


@pytest.mark.usefixtures("acme_parts")
def test_upgrading_a_file_of_an_older_plugin_gives_the_newer_file(tmp_path: Path) -> None:
    target = tmp_path / "new.layerkit"
    told = layerkit.upgrade(path_of("plugin-old"), target)
    assert target.read_bytes() == of_today(read("plugin"))
    assert [change.path.rpartition(".")[2] for change in told.migrated] == ["percent", "scale"]


def test_the_reference_verifier_agrees(expected: Expected) -> None:
    if not (SHARED / "lkverify.py").is_file():
        pytest.skip(f"the format's reference verifier is not at {SHARED}")
    paths = [str(path_of(name)) for name in READABLE]
    command = [sys.executable, "-B", str(SHARED / "lkverify.py"), *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    found = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert len(found) == len(READABLE)
    for name, line in zip(READABLE, found, strict=True):
        if name == "schema":
            assert "UnsupportedFormatError" in line
        else:
            assert f": OK  format 1.{int(name == 'newer')} " in line, line
            assert expected[f"{name}.layerkit"]["file_id"] in line
