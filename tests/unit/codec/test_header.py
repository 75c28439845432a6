"""Steps 11 to 13: one wrong field, one error that says where."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import pytest

from layerkit.codec import Limits, open_document
from layerkit.errors import LimitExceededError, MalformedFileError, UnsupportedFormatError

Header = dict[str, Any]
Change = Callable[[Header], object]


def where(raw: bytes, **keys: Any) -> str:
    with pytest.raises(MalformedFileError) as caught:
        open_document(io.BytesIO(raw), **keys)
    assert caught.value.where in str(caught.value)
    return caught.value.where


def test_the_forge_makes_files_that_open(forge: Any) -> None:
    document = open_document(io.BytesIO(forge.build()))
    assert document.aliases == {"d.tied": "d.W"}
    assert [record.offset for record in document.tensors.values()] == [0, 64, 128]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda h: h["tensors"][0].update(shape=[2**62, 2**62]), rf"got \[{2**62}, {2**62}\] of "),
        (lambda h: h.update(history={"x": {"unit": "step"}}), "'x' has a unit, but no tensor"),
    ],
)
def test_the_message_says_what_is_there(forge: Any, change: Change, found: str) -> None:
    with pytest.raises(MalformedFileError, match=found):
        open_document(io.BytesIO(forge.edited(change)))


SECTIONS = ["aliases", "features", "metadata", "producer", "spec", "tensors", "types"]


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("value", [None, 1, "x", [[]]])
def test_a_section_of_another_kind_is_refused(forge: Any, name: str, value: object) -> None:
    assert where(forge.edited(lambda h: h.update({name: value}))).startswith(name)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_is_never_missing(forge: Any, name: str) -> None:
    assert where(forge.edited(lambda h: h.pop(name))) == "header"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda h: h.update(zzz=1), "header"),
        (lambda h: h["producer"].update(zzz=1), "producer"),
        (lambda h: h["producer"].pop("name"), "producer"),
        (lambda h: h["producer"].update(name="a b"), "producer.name"),
        (lambda h: h["producer"].update(version="1\n"), "producer.version"),
        (lambda h: h["features"].update(zzz=[]), "features"),
        (lambda h: h["features"].update(optional=["b", "a"]), "features.optional[1]"),
        (lambda h: h["features"].update(optional=["a", "a"]), "features.optional[1]"),
        (lambda h: h["features"].update(optional=["A"]), "features.optional[0]"),
        (lambda h: h["features"].update(optional="a"), "features.optional"),
        (lambda h: h["features"].update(optional=["a"], required=["a"]), "features"),
        (lambda h: h["spec"].pop("schema"), "spec.schema"),
        (lambda h: h["spec"].update(schema=True), "spec.schema"),
        (lambda h: h["spec"].update(schema=0), "spec.schema"),
        (lambda h: h["spec"].update(schema=2**31), "spec.schema"),
        (lambda h: h["spec"].update(model=[]), "spec.model"),
        (lambda h: h["metadata"].update(license=1), "metadata.license"),
        (lambda h: h["metadata"].update(card=None), "metadata.card"),
        (lambda h: h["metadata"].update(a=[{"b": math.nan}]), "metadata.a[0].b"),
        (lambda h: h["metadata"].update({"a b": math.inf}), "metadata['a b']"),
        (lambda h: h["metadata"].update(a=bytes(32)), "metadata.a"),
        (lambda h: h["spec"]["model"].update(a=-math.inf), "spec.model.a"),
        (lambda h: h["types"].update(Dense=h["types"]["dense"]), "types.Dense"),
        (lambda h: h["types"]["dense"].update(zzz=1), "types.dense"),
        (lambda h: h["types"]["dense"].update(config_version=0), "types.dense.config_version"),
        (lambda h: h["types"]["dense"].update(config_version=1.0), "types.dense.config_version"),
        (lambda h: h["types"]["dense"].update(entry_point="os"), "types.dense.entry_point"),
        (lambda h: h["types"]["dense"].update(dist=None), "types.dense.dist"),
        (lambda h: h["types"]["dense"].update(dist="a--b"), "types.dense.dist"),
        (lambda h: h["types"]["dense"].update(dist="a" * 129), "types.dense.dist"),
        (lambda h: h["types"]["dense"].update(version=None), "types.dense.version"),
        (lambda h: h["types"]["dense"].update(version="1" * 65), "types.dense.version"),
        (lambda h: h["aliases"].update({"tied": "d.W"}), "aliases.tied"),
        (lambda h: h["aliases"].update({"d.x": 1}), "aliases['d.x']"),
        (lambda h: h["aliases"].update({"d.x": "d.y"}), "aliases['d.x']"),
        (lambda h: h["aliases"].update({"d.b": "d.W"}), "aliases['d.b']"),
        (lambda h: h["aliases"].update({"d.x": "d.tied"}), "aliases['d.x']"),
    ],
)
def test_a_wrong_field_is_named(forge: Any, change: Change, place: str) -> None:
    assert where(forge.edited(change)) == place


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("name", 7, "tensors[0].name"),
        ("name", "../x", "tensors[0].name"),
        ("name", "d..W", "tensors[0].name"),
        ("name", "d.W\n", "tensors[0].name"),
        ("name", "W", "tensors[0] (W).name"),
        ("name", "d." + "a" * 255, "tensors[0].name"),
        ("name", "d/W", "tensors[0] (d/W).name"),
        ("dtype", "bf16", "tensors[0] (d.W).dtype"),
        ("dtype", [], "tensors[0] (d.W).dtype"),
        ("shape", [-1], "tensors[0] (d.W).shape"),
        ("shape", [True, 2], "tensors[0] (d.W).shape"),
        ("shape", [1] * 33, "tensors[0] (d.W).shape"),
        ("shape", [2**62, 4], "tensors[0] (d.W).shape"),
        ("shape", [0, 2**62, 2**62], "tensors[0] (d.W).shape"),
        ("shape", [3, 1], "tensors[0] (d.W).nbytes"),
        ("nbytes", 8.0, "tensors[0] (d.W).nbytes"),
        ("nbytes", 9, "tensors[0] (d.W).nbytes"),
        ("offset", -64, "tensors[0] (d.W).offset"),
        ("offset", 64, "tensor 'd.W'.offset"),
        ("sha256", "0" * 64, "tensors[0] (d.W).sha256"),
        ("role", "buffer", "tensors[0] (d.W).role"),
        ("role", "optimizer", "tensors[0] (d.W).name"),
        ("role", "history", "tensors[0] (d.W).name"),
        ("role", "selftest", "tensors[0] (d.W).name"),
        ("zzz", 0, "tensors[0]"),
    ],
)
def test_a_wrong_record_is_named(forge: Any, field: str, value: object, place: str) -> None:
    assert where(forge.edited(lambda h: h["tensors"][0].update({field: value}))) == place


def test_what_comes_out_of_a_file_is_escaped_and_cut(forge: Any) -> None:
    evil = "\x1b]0;\u202e" + "x" * 10_000
    for change in (
        lambda h: h["metadata"].update({evil: math.nan}),
        lambda h: h["types"].update({evil: {}}),
        lambda h: h["producer"].update(name=evil),
        lambda h: h.update({evil: math.nan}),
    ):
        with pytest.raises(MalformedFileError) as caught:
            open_document(io.BytesIO(forge.edited(change)))
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 300


def test_required_features_come_before_the_vocabulary_they_bring(forge: Any) -> None:
    def change(header: Header) -> None:
        header["features"]["required"] = ["dtype:bf16", "layout:tiles"]
        header["tensors"][0]["dtype"] = "bf16"

    with pytest.raises(UnsupportedFormatError, match="newer layerkit") as caught:
        open_document(io.BytesIO(forge.edited(change)))
    assert caught.value.needs == ("dtype:bf16", "layout:tiles")
    assert "dtype:bf16, layout:tiles" in str(caught.value)


def test_unknown_fields_are_kept_out_of_an_old_minor_and_shown_of_a_newer(forge: Any) -> None:
    def change(header: Header) -> None:
        header["lineage"] = {"parent": None}
        header["tensors"][1]["unit"] = ["volt"]
        header["types"]["dense"]["a b"] = 1

    document = open_document(io.BytesIO(forge.edited(change, minor=1)))
    assert document.version == (1, 1)
    assert document.unknown_fields == ("header.lineage", "types.dense['a b']", "tensors[1].unit")
    assert where(forge.edited(change)) == "header"


def test_unknown_fields_still_obey_section_2(forge: Any) -> None:
    raw = forge.edited(lambda h: h.update(lineage={"score": math.nan}), minor=1)
    assert where(raw) == "lineage.score"
    raw = forge.edited(lambda h: h["tensors"][0].update(zz=[{"sha256": bytes(32)}]), minor=1)
    assert where(raw) == "tensors[0].zz[0].sha256"


def test_the_number_of_tensors_is_limited(forge: Any) -> None:
    with pytest.raises(LimitExceededError, match=r"Limits\.tensors"):
        open_document(io.BytesIO(forge.build()), limits=Limits(tensors=2))


# --- optional sections ---


def training(forge: Any, change: Change = lambda t: None) -> bytes:
    def edit(header: Header) -> None:
        header["training"] = forge.training()
        change(header["training"])

    raw: bytes = forge.edited(edit)
    return raw


def test_a_training_section_may_hold_infinities(forge: Any) -> None:
    document = open_document(io.BytesIO(training(forge)))
    assert document.header["training"]["callbacks"]["stop"]["best"] == math.inf


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda t: t.clear(), "training"),
        (lambda t: t.update(zzz=1), "training"),
        (lambda t: t.update(epoch=-1), "training.epoch"),
        (lambda t: t.update(step=2**63), "training.step"),
        (lambda t: t.update(callbacks=[]), "training.callbacks"),
        (lambda t: t.update(rng=[]), "training.rng"),
        (lambda t: t["optimizer"].update(type="os:x"), "training.optimizer.type"),
        (lambda t: t["optimizer"].update(config=None), "training.optimizer.config"),
        (lambda t: t["optimizer"].update(state=1), "training.optimizer.state"),
        (lambda t: t["optimizer"].update(slots=["v", "m"]), "training.optimizer.slots[1]"),
        (lambda t: t["optimizer"].update(slots=["a/b"]), "training.optimizer.slots[0]"),
        (lambda t: t["rng"].update({"a b": {}}), "training.rng['a b']"),
        (lambda t: t["rng"]["shuffle"].update(zzz=1), "training.rng.shuffle"),
        (
            lambda t: t["rng"]["shuffle"].update(bit_generator="MT19937"),
            "training.rng.shuffle.bit_generator",
        ),
        (lambda t: t["rng"]["shuffle"].update(inc="0" * 32), "training.rng.shuffle.inc"),
        (lambda t: t["rng"]["shuffle"].update(inc="1" * 31), "training.rng.shuffle.inc"),
        (lambda t: t["rng"]["shuffle"].update(state="A" * 32), "training.rng.shuffle.state"),
        (lambda t: t["rng"]["shuffle"].update(has_uint32=True), "training.rng.shuffle.has_uint32"),
        (lambda t: t["rng"]["shuffle"].update(uinteger=2**32), "training.rng.shuffle.uinteger"),
    ],
)
def test_a_wrong_field_of_training_is_named(forge: Any, change: Change, place: str) -> None:
    assert where(training(forge, change)) == place


@pytest.mark.parametrize(
    ("section", "value", "place"),
    [
        *[(name, {}, name) for name in ("history", "metrics", "selftest", "training")],
        *[(name, None, name) for name in ("history", "metrics", "selftest", "training")],
        ("history", {"a b": {"unit": "epoch"}}, "history['a b']"),
        ("history", {"loss": {"unit": "batch"}}, "history.loss.unit"),
        ("history", {"loss": {"unit": "epoch", "x": 1}}, "history.loss"),
        ("history", {"loss": {"unit": "epoch"}}, "history"),
        ("metrics", {"a b": 1}, "metrics['a b']"),
        ("metrics", {"loss": True}, "metrics.loss"),
        ("metrics", {"loss": None}, "metrics.loss"),
        ("selftest", {"atol": 0, "rtol": 0.0}, "selftest.atol"),
        ("selftest", {"atol": 0.0, "rtol": -1.0}, "selftest.rtol"),
        ("selftest", {"atol": math.inf, "rtol": 0.0}, "selftest.atol"),
        ("selftest", {"atol": 0.0}, "selftest"),
        ("selftest", {"atol": 0.0, "rtol": 0.0}, "selftest"),
    ],
)
def test_a_wrong_optional_section_is_named(
    forge: Any, section: str, value: object, place: str
) -> None:
    assert where(forge.edited(lambda h: h.update({section: value}))) == place


def test_metrics_may_be_nan(forge: Any) -> None:
    raw = forge.edited(lambda h: h.update(metrics={"val.loss": math.nan, "n": 3}))
    assert open_document(io.BytesIO(raw)).header["metrics"]["n"] == 3


# --- relations ---


def with_tensors(forge: Any, *extra: tuple[Header, bytes], **sections: Any) -> bytes:
    """The forged file with further tensors, sorted and laid out."""
    header = forge.header() | sections
    base = [*zip(header["tensors"], forge.payloads, strict=True)]
    items = sorted([*base, *extra], key=lambda item: item[0]["name"])
    offset = 0
    header["tensors"] = []
    for record, payload in items:
        header["tensors"].append({**record, **forge.about(payload), "offset": offset})
        offset += -(-(len(payload) + 7) // 64) * 64
    raw: bytes = forge.build(header, tuple(payload for _, payload in items))
    return raw


def tensor(name: str, role: str, *shape: int, dtype: str = "f64") -> tuple[Header, bytes]:
    size = math.prod(shape) * (8 if dtype == "f64" else 1)
    return {"name": name, "role": role, "dtype": dtype, "shape": list(shape)}, bytes(size)


def test_all_roles_together_open(forge: Any) -> None:
    raw = with_tensors(
        forge,
        tensor("history/loss", "history", 3),
        tensor("optimizer/m/d.W", "optimizer", 2, 1),
        tensor("optimizer/v", "optimizer"),
        tensor("selftest/input", "selftest", 64, 2),
        tensor("selftest/output", "selftest", 64, 1),
        history={"loss": {"unit": "step"}},
        training=forge.training(),
        selftest={"atol": 0.0, "rtol": 1e-4},
    )
    assert len(open_document(io.BytesIO(raw)).tensors) == 8


@pytest.mark.parametrize(
    ("extra", "sections", "place"),
    [
        ([tensor("history/loss", "history", 3)], {}, "history"),
        ([tensor("history/loss", "history", 3)], {"history": {"x": {"unit": "step"}}}, "history"),
        ([tensor("history/loss", "history", 3, 1)], {}, "tensors[3] (history/loss)"),
        ([tensor("history/loss", "history", 3, dtype="u8")], {}, "tensors[3] (history/loss)"),
        ([tensor("optimizer/m/d.W", "optimizer", 2)], {}, "tensor 'optimizer/m/d.W'"),
        ([tensor("optimizer/x/d.W", "optimizer", 2)], {"training": 0}, "tensor 'optimizer/x/d.W'"),
        ([tensor("optimizer/m/d.z", "optimizer", 2)], {"training": 0}, "tensor 'optimizer/m/d.z'"),
        (
            [tensor("optimizer/m/d.mask", "optimizer")],
            {"training": 0},
            "tensor 'optimizer/m/d.mask'",
        ),
        ([tensor("selftest/input", "selftest", 2)], {"selftest": 0}, "selftest"),
        (
            [tensor("selftest/input", "selftest", 2), tensor("selftest/output", "selftest", 2)],
            {},
            "selftest",
        ),
        (
            [tensor("selftest/input", "selftest", 2), tensor("selftest/output", "selftest", 1)],
            {"selftest": 0},
            "selftest",
        ),
        (
            [tensor("selftest/input", "selftest", 65), tensor("selftest/output", "selftest", 65)],
            {"selftest": 0},
            "selftest",
        ),
        (
            [tensor("selftest/input", "selftest", 0), tensor("selftest/output", "selftest", 0)],
            {"selftest": 0},
            "selftest",
        ),
        (
            [tensor("selftest/input", "selftest"), tensor("selftest/output", "selftest")],
            {"selftest": 0},
            "selftest",
        ),
        (
            [
                tensor("selftest/input", "selftest", 1, 1 << 17),
                tensor("selftest/output", "selftest", 1),
            ],
            {"selftest": 0},
            "selftest",
        ),
    ],
)
def test_sections_and_tensors_must_agree(
    forge: Any, extra: list[tuple[Header, bytes]], sections: Header, place: str
) -> None:
    full = {"training": forge.training(), "selftest": {"atol": 0.0, "rtol": 0.0}}
    chosen = {key: value or full[key] for key, value in sections.items()}
    assert where(with_tensors(forge, *extra, **chosen)) == place


def test_names_ascend(forge: Any) -> None:
    def swap(header: Header) -> None:
        records = header["tensors"]
        records[0], records[1] = records[1], records[0]

    assert where(forge.edited(swap)) == "tensors"
    assert where(forge.edited(lambda h: h["tensors"][1].update(name="d.W"))) == "tensors"


# --- layout ---


def test_tensors_larger_than_the_file_are_refused_before_they_are_laid_out(forge: Any) -> None:
    def huge(header: Header) -> None:
        for record in header["tensors"]:
            record.update(dtype="u8", shape=[2**62], nbytes=2**62)

    assert where(forge.edited(huge)) == "tensors"


def test_the_last_tensor_ends_the_file(forge: Any) -> None:
    assert where(forge.build(payloads=(*forge.payloads, b"hidden"))) == "file_size"
    assert where(forge.build(payloads=forge.payloads[:2])) == "file_size"


@pytest.mark.parametrize("slots", [0, 4, 5, 7, 8, 2**32 - 1])
def test_the_slots_are_twice_the_chunks(forge: Any, slots: int) -> None:
    assert where(forge.build(slots=slots)).startswith("bytes ")
