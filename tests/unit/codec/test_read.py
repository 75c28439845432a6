"""Step 17: the bytes of tensors, copied, mapped, streamed or only checked."""

from __future__ import annotations

import gc
import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import errors
from layerkit.codec import LazyTensors, Limits, layout, load_tensors, open_document, payload

NAMES = ["d.W", "d.b", "d.mask", "d.tied"]


@pytest.fixture
def path(forge: Any, tmp_path: Path) -> Path:
    return saved(tmp_path, forge.build())


def saved(folder: Path, raw: bytes) -> Path:
    path = folder / "m.layerkit"
    path.write_bytes(raw)
    return path


def damaged(raw: bytes, at: int, new: bytes) -> bytes:
    return raw[:at] + new + raw[at + len(new) :]


def address(array: Any) -> int:
    where: int = array.__array_interface__["data"][0]
    return where


class Stingy(io.RawIOBase):
    """A stream that gives one byte, is interrupted, and cannot seek."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at, self.turn = raw, 0, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self.turn += 1
        if self.turn % 3 == 0:
            raise InterruptedError
        self.at += 1
        return self.raw[self.at - 1 : self.at]


# --- what comes out ---


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("kind", ["copy", "mmap", "stream", "stingy"])
def test_all_ways_give_the_same_values(path: Path, kind: str, verify: bool) -> None:
    sources: dict[str, Any] = {
        "stream": io.BytesIO(path.read_bytes()),
        "stingy": Stingy(path.read_bytes()),
    }
    tensors = load_tensors(sources.get(kind, path), mmap=kind == "mmap", verify=verify)
    assert [*tensors] == NAMES
    assert tensors["d.W"].tolist() == [[1.0], [2.0]]
    assert tensors["d.b"].dtype == np.float32
    assert tensors["d.mask"].tolist() == [True, False, True]
    assert tensors["d.mask"].dtype == np.bool_
    assert tensors["d.tied"] is tensors["d.W"]
    for array in tensors.values():
        assert address(array) % 64 == 0
        assert array.flags.writeable is (kind != "mmap")
        assert array.flags.c_contiguous


def test_names_choose_and_order_and_aliases_resolve(path: Path) -> None:
    chosen = load_tensors(path, names=["d.tied", "d.b"])
    assert [*chosen] == ["d.tied", "d.b"]
    assert chosen["d.tied"].tolist() == [[1.0], [2.0]]
    assert [*load_tensors(path, names=[])] == []
    with pytest.raises(KeyError, match=r"d\.zz"):
        load_tensors(path, names=["d.b", "d.zz"])


def test_what_was_not_asked_for_is_not_read(forge: Any, tmp_path: Path) -> None:
    raw = forge.build()
    path = saved(tmp_path, damaged(raw, len(raw) - 1, b"\xff"))
    assert [*load_tensors(path, names=["d.W"])] == ["d.W"]
    assert [*load_tensors(io.BytesIO(path.read_bytes()), names=["d.W"])] == ["d.W"]


def test_frames_that_a_stream_passes_are_checked_all_the_same(forge: Any) -> None:
    raw = forge.build()
    broken = damaged(raw, len(raw) - 4, b"\2")
    with pytest.raises(errors.MalformedFileError, match=r"d\.mask"):
        load_tensors(io.BytesIO(broken), names=["d.W"])


@pytest.mark.parametrize("shape", [[], [0], [0, 3], [0, 2**60], [1] * 32, [1, 1, 1]])
@pytest.mark.parametrize("mmap", [False, True])
def test_any_shape_is_read(forge: Any, tmp_path: Path, shape: list[int], mmap: bool) -> None:
    blob = b"" if 0 in shape else b"\0\0\0\x40"

    def change(header: dict[str, Any]) -> None:
        header["tensors"][1].update(shape=shape, **forge.about(blob))

    payloads = (forge.payloads[0], blob, forge.payloads[2])
    array = load_tensors(saved(tmp_path, forge.edited(change, payloads=payloads)), mmap=mmap)["d.b"]
    assert array.shape == tuple(shape)
    assert array.ravel().tolist() == ([] if 0 in shape else [2.0])
    assert address(array) % 64 == 0


def test_arrays_outlive_the_document(path: Path) -> None:
    with open_document(path, mmap=True) as document:
        tensors = document.read()
        lazy = document.read(verify="lazy")
    del document
    gc.collect()
    assert tensors["d.W"].sum() == 3.0
    assert lazy["d.b"].tolist() == [0.5]


def test_a_closed_document_is_a_value_error(path: Path) -> None:
    document = open_document(path)
    document.close()
    document.close()
    with pytest.raises(ValueError, match="closed"):
        document.read()


def test_a_document_can_be_read_twice_a_stream_once(path: Path) -> None:
    with open_document(path) as document:
        first, second = document.read(), document.read()
        assert first["d.W"] is not second["d.W"]
    document = open_document(io.BytesIO(path.read_bytes()))
    document.read()
    with pytest.raises(ValueError, match="once"):
        document.read()


# --- lazily ---


def test_lazy_checks_a_tensor_when_it_is_touched(forge: Any, tmp_path: Path) -> None:
    raw = forge.build()
    start = len(raw) - 3 - 64  # payload of d.b
    tensors = load_tensors(saved(tmp_path, damaged(raw, start, b"\xff")), mmap=True, verify="lazy")
    assert isinstance(tensors, LazyTensors)
    assert [*tensors] == NAMES
    assert len(tensors) == 4
    assert "d.b" in tensors
    assert "d.zz" not in tensors
    assert repr(tensors) == "<LazyTensors: 0 of 4 read>"
    assert tensors["d.W"] is tensors["d.tied"]
    for _ in range(2):
        with pytest.raises(errors.CorruptFileError) as caught:
            tensors["d.b"]
    assert caught.value.path == str(tmp_path / "m.layerkit")
    with pytest.raises(KeyError):
        tensors["d.zz"]


def test_lazy_needs_a_mapping_and_a_mapping_needs_a_path(path: Path) -> None:
    with pytest.raises(ValueError, match="mmap=True"):
        load_tensors(path, verify="lazy")
    with pytest.raises(ValueError, match="mmap=True needs a local file"):
        load_tensors(io.BytesIO(path.read_bytes()), mmap=True)


# --- what is refused ---


@pytest.mark.parametrize("kind", ["copy", "mmap", "lazy", "stream", "verify"])
class TestDamage:
    def read(self, raw: bytes, folder: Path, kind: str) -> Any:
        path = saved(folder, raw)
        if kind == "stream":
            return load_tensors(io.BytesIO(raw))
        if kind == "verify":
            with open_document(path) as document:
                return document.verify()
        if kind == "lazy":
            return dict(load_tensors(path, mmap=True, verify="lazy"))
        return load_tensors(path, mmap=kind == "mmap")

    def test_sound_files_pass(self, forge: Any, tmp_path: Path, kind: str) -> None:
        self.read(forge.build(), tmp_path, kind)

    @pytest.mark.parametrize("back", [1, 2, 3])
    def test_payload(self, forge: Any, tmp_path: Path, kind: str, back: int) -> None:
        raw = forge.build()
        raw = damaged(raw, len(raw) - back, bytes([raw[-back] ^ 1]))
        with pytest.raises(errors.CorruptFileError) as caught:
            self.read(raw, tmp_path, kind)
        error = caught.value
        assert error.tensor == "d.mask"
        assert "d.mask" in str(error)
        digests = f"expected SHA-256 {error.expected}, got {error.actual}"
        assert digests in str(error)

    @pytest.mark.parametrize("back", [4, 5, 6, 7, 8, 9, 62, 63])
    def test_frame(self, forge: Any, tmp_path: Path, kind: str, back: int) -> None:
        raw = forge.build()
        at = len(raw) - back
        with pytest.raises(errors.MalformedFileError, match=r"rule 1\.7.*d\.mask") as caught:
            self.read(damaged(raw, at, bytes([raw[at] ^ 0x10])), tmp_path, kind)
        assert caught.value.offset == len(raw) - 3 - 60

    @pytest.mark.parametrize("bits", [b"\x02\0\1", b"\1\0\xff"])
    def test_bool_bytes(self, forge: Any, tmp_path: Path, kind: str, bits: bytes) -> None:
        raw = forge.edited(
            lambda h: h["tensors"][2].update(forge.about(bits)),
            payloads=(*forge.payloads[:2], bits),
        )
        with pytest.raises(errors.MalformedFileError, match=r"rule 4\.1.*0 or 1"):
            self.read(raw, tmp_path, kind)


@pytest.mark.parametrize("mmap", [False, True])
def test_without_verification_only_digests_are_left_out(
    forge: Any, tmp_path: Path, mmap: bool
) -> None:
    raw = forge.build()
    changed = damaged(raw, len(raw) - 1, b"\0")
    tensors = load_tensors(saved(tmp_path, changed), verify=False, mmap=mmap)
    assert tensors["d.mask"].tolist() == [True, False, False]
    for bad in (damaged(raw, len(raw) - 1, b"\2"), damaged(raw, len(raw) - 4, b"\2")):
        with pytest.raises(errors.MalformedFileError):
            load_tensors(saved(tmp_path, bad), verify=False, mmap=mmap)


def test_a_file_that_shrinks_while_open_is_truncated(path: Path) -> None:
    raw = path.read_bytes()
    with open_document(path) as document:
        path.write_bytes(raw[:-2])
        with pytest.raises(errors.TruncatedFileError) as caught:
            document.read()
    assert (caught.value.have, caught.value.want) == (len(raw) - 2, len(raw))
    assert caught.value.path == str(path)


def test_a_stream_that_ends_early_or_late_is_refused(forge: Any) -> None:
    raw = forge.build()
    for size in (len(raw) - 1, len(raw) - 60, len(raw) - 100):
        with pytest.raises(errors.TruncatedFileError) as caught:
            load_tensors(io.BytesIO(raw[:size]))
        assert (caught.value.have, caught.value.want) == (size, len(raw))
    for names in (None, ["d.W"]):
        with pytest.raises(errors.MalformedFileError, match="trailing"):
            load_tensors(io.BytesIO(raw + b"\0"), names=names)


def test_a_model_without_tensors_still_ends_its_stream(forge: Any) -> None:
    raw = forge.edited(lambda h: h.update(tensors=[], aliases={}), payloads=())
    assert load_tensors(io.BytesIO(raw)) == {}
    with pytest.raises(errors.MalformedFileError, match="trailing"):
        load_tensors(io.BytesIO(raw + b"\0"))


@pytest.mark.parametrize(
    ("give", "kind"), [(None, BlockingIOError), ("text", TypeError), (b"too much", OSError)]
)
def test_a_stream_that_breaks_the_protocol_is_not_believed(
    give: Any, kind: type[Exception]
) -> None:
    class Odd:
        def read(self, size: int) -> Any:
            return give * (size + 1) if isinstance(give, bytes) else give

    with pytest.raises(kind):
        load_tensors(Odd())  # type: ignore[call-overload]


# --- memory and chunks ---


def claim(forge: Any, size: int) -> bytes:
    """A file that claims a tensor of ``size`` bytes, cut off behind its frame."""
    about = {"dtype": "u8", "shape": [size], "nbytes": size}

    def change(header: dict[str, Any]) -> None:
        header["tensors"] = [header["tensors"][0] | about]

    end = forge.edited(change, payloads=())
    start = -(-(len(end) + 7) // 64) * 64
    raw = forge.edited(change, payloads=(), size=start + size, slots=2)
    pad = start - len(raw) - 7
    whole: bytes = raw + b"\xc4" + bytes([pad]) + bytes(pad) + b"\xc6" + size.to_bytes(4, "big")
    return whole


def test_a_stream_costs_what_it_sends_and_not_what_it_claims(forge: Any) -> None:
    raw = claim(forge, 2_000_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(errors.TruncatedFileError):
            load_tensors(io.BytesIO(raw + bytes(1000)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
    with pytest.raises(errors.LimitExceededError, match=r"Limits\.stream_bytes"):
        load_tensors(io.BytesIO(raw), limits=Limits(stream_bytes=1_000_000_000))


def test_a_large_stream_grows_and_stays_aligned(
    forge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload, "STEP", 128)
    monkeypatch.setattr(payload, "_BLOCK", 96)
    blob = np.random.default_rng(0).bytes(4_000)
    about = {"dtype": "u8", "shape": [4_000], **forge.about(blob)}
    raw = forge.edited(lambda h: h.update(tensors=[h["tensors"][0] | about]), payloads=(blob,))
    for verify in (True, False):
        array = load_tensors(io.BytesIO(raw), verify=verify)["d.W"]
        assert array.tobytes() == blob
        assert address(array) % 64 == 0


def test_a_buffer_that_moved_to_another_alignment_is_moved_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buffer = payload.Buffer(100, 50)
    with buffer.window(0, 50) as view:
        view[:] = bytes(range(50))
    with buffer.window(50, 50) as view:
        view[:] = bytes(range(50, 100))
    shifted = np.empty(len(buffer._raw) + 64, np.uint8)
    off = (-address(shifted) + 7 - buffer._pad) % 64
    moved = shifted[off : off + len(buffer._raw)]
    moved[:] = buffer._raw
    monkeypatch.setattr(buffer, "_raw", moved)
    array = buffer.finish()
    assert array.tobytes() == bytes(range(100))
    assert address(array) % 64 == 0


@pytest.mark.parametrize("kind", ["copy", "mmap", "lazy", "stream"])
@pytest.mark.parametrize("max_chunk", [64, 128])
def test_tensors_of_several_chunks(
    forge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, max_chunk: int
) -> None:
    monkeypatch.setattr(layout, "MAX_CHUNK", max_chunk)
    blob = np.random.default_rng(0).bytes(300)
    sizes = -(-300 // max_chunk)

    def change(header: dict[str, Any]) -> None:
        first, second, third = header["tensors"]
        first.update(dtype="u8", shape=[300], **forge.about(blob))
        position = 0
        for start in range(0, 300, max_chunk):
            position = -(-(position + min(max_chunk, 300 - start) + 7) // 64) * 64
        second["offset"], third["offset"] = position, position + 64

    raw = forge.edited(change, payloads=(blob, *forge.payloads[1:]), max_chunk=max_chunk)
    path = saved(tmp_path, raw)
    if kind == "stream":
        array = load_tensors(io.BytesIO(raw))["d.W"]
    elif kind == "lazy":
        array = load_tensors(path, mmap=True, verify="lazy")["d.W"]
    else:
        array = load_tensors(path, mmap=kind == "mmap")["d.W"]
    assert array.tobytes() == blob
    assert array.flags.writeable
    with open_document(path) as document:
        assert len(document.tensors["d.W"].frames) == sizes
        document.verify()


def test_the_chunk_size_is_that_of_the_format() -> None:
    assert layout.MAX_CHUNK == 2**31 - 64
    frames, end = layout.lay_out([0, 2**31 - 64, 2**31 - 63], 100)
    assert [len(chunks) for chunks in frames] == [1, 1, 2]
    assert frames[2][1].size == 1
    assert end == frames[2][1].start + 1
    assert all(frame.start % 64 == 0 for chunks in frames for frame in chunks)
