"""Damaged model files: refused with a proper error, or read to the right numbers.

``make fuzz`` goes on for longer; ``tests/fuzz/corpus`` holds one file for each kind of refusal, and
``found-*``, those that were once judged wrongly.
"""

from __future__ import annotations

import io
import json
import os
import random
import warnings
from collections import Counter
from pathlib import Path

import pytest

import layerkit
from layerkit import LayerkitError
from tests.fuzz import fuzz
from tests.fuzz.collect import CORPUS
from tests.fuzz.container import Parts, assemble, take_apart, vouch
from tests.fuzz.judge import Oracle, judge
from tests.fuzz.mutations import MUTATIONS, edit, mutate, tabled
from tests.golden import make

CASES = 1500
SHARED = Path(os.environ.get("LAYERKIT_SHARED", Path(__file__).parents[3] / "shared")) / "format"
VERDICTS = json.loads((CORPUS / "verdicts.json").read_text("utf-8"))

# Faults that were found and are not mended yet: how a fault begins, and the files that show it.
KNOWN: dict[str, tuple[str, ...]] = {}


@pytest.fixture(scope="module")
def oracle() -> Oracle | None:
    """The independent verifier, where it is at hand."""
    return fuzz.oracle_at(SHARED) if (SHARED / "lkverify.py").is_file() else None


def test_every_file_of_the_corpus_has_a_verdict_and_every_verdict_a_file() -> None:
    assert sorted(VERDICTS) == sorted(path.name for path in CORPUS.glob("*.bin"))
    assert len(VERDICTS) > 60
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 100_000


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xfail(reason=fault))
        if (fault := next((k for k, v in KNOWN.items() if name.removesuffix(".bin") in v), None))
        else name
        for name in sorted(VERDICTS)
    ],
)
def test_the_corpus_gets_its_verdicts(name: str, tmp_path: Path, oracle: Oracle | None) -> None:
    raw = (CORPUS / name).read_bytes()
    verdict = judge(raw, tmp_path / "case.layerkit", oracle=oracle, measure=True)
    assert verdict.faults == []
    for said, wanted in zip(verdict.classes, VERDICTS[name]["verdicts"], strict=True):
        assert said == wanted or (wanted == "ModelFileError" and said != "OK"), verdict


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
def test_damaged_files_are_refused_or_read_right(
    seed: int, tmp_path: Path, oracle: Oracle | None
) -> None:
    counts: Counter[str] = Counter()
    faults = []
    path = tmp_path / "case.layerkit"
    for case in fuzz.cases(seed, range(CASES // 3), path, oracle=oracle):
        counts[case.mutation] += 1
        counts[case.verdict.load] += 1
        faults += [
            f"python -m tests.fuzz.fuzz --seed {seed} --only {case.number}: {fault}"
            for fault in case.verdict.faults
            if not fault.startswith(tuple(KNOWN))
        ]
    assert faults == []
    # The cases are worth their time: all mutations occur, and some files are still good.
    assert {change.__name__ for change in MUTATIONS} <= counts.keys()
    for verdict in ("OK", "MalformedFileError", "SpecError", "CorruptFileError"):
        assert counts[verdict] > 5, counts


def test_training_state_that_does_not_fit_is_refused_as_such() -> None:
    """``load`` cannot know what ``resume`` wants of it, so that is where it is judged."""
    base = take_apart((fuzz.GOLDEN / "training.layerkit").read_bytes())
    rows = make.training_rows()
    counts: Counter[str] = Counter()
    odd: list[int] = []
    for number in range(250):
        r = random.Random(f"resume:{number}")  # noqa: S311
        raw = twisted(r, base)
        try:
            model = layerkit.load(io.BytesIO(raw))
        except LayerkitError:
            counts["not loaded"] += 1
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                layerkit.resume(model, data=rows, epochs=4, schedule="continue")
        except LayerkitError as error:
            counts["refused"] += 1
            odd += [number for c in str(error) if not (c.isprintable() or c == "\n")]
        except Exception as error:
            raise AssertionError(f"case {number}: {type(error).__name__}: {error}") from error
        else:
            counts["resumed"] += 1
    assert odd == []
    assert min(counts[key] for key in ("not loaded", "refused", "resumed")) > 20, counts


def twisted(r: random.Random, base: Parts) -> bytes:
    """The file with something wrong in its training state."""
    header, payloads = base.copy()
    items = list(zip(header["tensors"], payloads, strict=True))
    slots = [k for k, (record, _) in enumerate(items) if record["role"] == "optimizer"]
    k = r.choice(slots)
    record, payload = items[k]
    act = r.randrange(8)
    if act == 0:
        del items[k]
    elif act == 1:
        record["shape"] = [*record["shape"], 1]
    elif act == 2:
        record["dtype"] = r.choice(["f32", "i64", "c128", "bool"])
        size = len(payload) // 8 * {"f32": 4, "i64": 8, "c128": 16, "bool": 1}[record["dtype"]]
        items[k] = record, bytes(size)
    elif act == 3:
        record["name"] = r.choice(["optimizer/m", "optimizer/last", "optimizer/state-0"])
    else:
        edit(r, header, "training")
    header["tensors"], payloads = tabled(items)
    try:
        return assemble(header, payloads)
    except OverflowError:  # a number beyond 64 bits: no file can hold it
        return base.raw


def test_the_golden_files_are_judged_right(tmp_path: Path, oracle: Oracle | None) -> None:
    for name in sorted({*fuzz.BASES}):
        raw = (fuzz.GOLDEN / f"{name}.layerkit").read_bytes()
        verdict = judge(raw, tmp_path / "case.layerkit", oracle=oracle, measure=True)
        assert verdict.faults == [], name
        assert verdict.tensors == "OK"


def test_a_case_is_the_same_again() -> None:
    stock = fuzz.bases()
    once, again = (
        [mutate(random.Random(f"0:{k}"), stock) for k in range(40)]  # noqa: S311
        for _ in range(2)
    )
    assert again == once
    assert len({raw for _, raw in once}) == 40


@pytest.mark.parametrize("name", sorted({*fuzz.BASES} - {"newer"}))
def test_taking_apart_and_putting_together_is_the_identity(name: str) -> None:
    raw = (fuzz.GOLDEN / f"{name}.layerkit").read_bytes()
    parts = vouch(raw)
    assert assemble(parts.header, parts.payloads) == raw
    with pytest.raises(ValueError, match=r"root|digest|msgpack|extra|header"):
        vouch(raw[:-1] + bytes([raw[-1] ^ 1]))


class TestTheJudgeSeesFaults:
    """A judge that never finds anything would pass too."""

    @pytest.fixture
    def raw(self) -> bytes:
        return (fuzz.GOLDEN / "plain.layerkit").read_bytes()

    def faults(self, raw: bytes, tmp_path: Path) -> str:
        return "\n".join(judge(raw, tmp_path / "case.layerkit", measure=True).faults)

    def test_a_foreign_exception(
        self, raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def load(path: Path) -> None:
            raise KeyError("x")

        monkeypatch.setattr(layerkit, "load", load)
        assert "foreign: load raises KeyError" in self.faults(raw, tmp_path)

    def test_numbers_that_are_not_the_files(
        self, raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good, read = layerkit.load, layerkit.load_tensors

        def load(path: Path) -> layerkit.Model:
            model = good(path)
            model.network.params[3] += 1
            return model

        def load_tensors(path: Path, **options: bool) -> object:
            arrays = read(path, mmap=options.get("mmap", False))
            return {name: array.copy() + 1 for name, array in arrays.items()}

        monkeypatch.setattr(layerkit, "load", load)
        assert "silent: the model has other numbers" in self.faults(raw, tmp_path)
        monkeypatch.setattr(layerkit, "load_tensors", load_tensors)
        assert "silent: other numbers" in self.faults(raw, tmp_path)

    def test_acceptance_of_what_is_damaged(
        self, raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        header, payloads = take_apart(raw).copy()
        header["tensors"][0]["sha256"] = bytes(32)
        read = layerkit.load_tensors

        def lax(path: Path, **options: bool) -> object:
            return read(path, verify=False)

        assert self.faults(assemble(header, payloads), tmp_path) == ""
        monkeypatch.setattr(layerkit, "load_tensors", lax)
        assert "silent: tensors accepted" in self.faults(assemble(header, payloads), tmp_path)

    def test_greed_and_raw_text(
        self, raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def load(path: Path) -> None:
            held = bytearray(200 << 20)
            raise layerkit.MalformedFileError(f"{len(held)} \x1b[2J", at="here")

        monkeypatch.setattr(layerkit, "load", load)
        told = self.faults(raw, tmp_path)
        assert "memory: 200 MiB" in told
        assert "text: load prints" in told

    def test_a_save_that_loses_something(
        self, raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save = layerkit.save

        def lossy(model: layerkit.Model, out: io.BytesIO) -> str:
            model.metrics = {}
            return save(model, out)

        monkeypatch.setattr(layerkit, "save", lossy)
        assert "saving: metrics is not what was loaded" in self.faults(raw, tmp_path)

    def test_another_opinion(self, raw: bytes, tmp_path: Path) -> None:
        path = tmp_path / "case.layerkit"
        told = judge(raw, path, oracle=lambda _: ("CorruptFileError", False)).faults
        assert told == ["oracle: says CorruptFileError, load accepts"]
        told = judge(raw[:-1], path, oracle=lambda _: ("OK", False)).faults
        assert told[0].startswith("oracle: accepts, load_tensors says TruncatedFileError")
