"""Steps 1 to 10: what is judged before the header is looked into, and in which order."""

from __future__ import annotations

import io
import os
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from layerkit import errors
from layerkit.codec import Limits, open_document


def put(raw: bytes, at: int, new: bytes) -> bytes:
    return raw[:at] + new + raw[at + len(new) :]


def refused(raw: bytes, kind: type[errors.ModelFileError], **keys: Any) -> Any:
    with pytest.raises(errors.ModelFileError) as caught:
        open_document(io.BytesIO(raw), **keys)
    assert type(caught.value) is kind
    return caught.value


def on_disk(raw: bytes, folder: Path) -> str:
    path = folder / "m.layerkit"
    path.write_bytes(raw)
    return str(path)


def test_the_worked_example_opens(tiny: bytes, tmp_path: Path) -> None:
    with open_document(on_disk(tiny, tmp_path)) as document:
        pass
    assert document.file_id == (
        "sha256:f7a60d0a7b9d0e9bc57b2cff129bdb41ef53574989d31b192e7cb59c5f92d72c"
    )
    assert (document.size, document.version, document.header_size) == (644, (1, 0), 436)
    assert document.path == str(tmp_path / "m.layerkit")
    assert [*document.tensors] == ["d.W", "d.b"]
    record = document.tensors["d.b"]
    assert (record.role, record.dtype, record.shape, record.nbytes) == ("param", "f32", (1,), 4)
    assert (record.offset, record.file_offset) == (64, 640)
    assert record.sha256.hex().startswith("d99e5843")
    assert document.header["spec"]["model"]["layers"][0]["type"] == "dense"
    assert document.unknown_fields == ()


# --- step 1 ---


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    fifo, listener = tmp_path / "fifo", tmp_path / "socket"
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(listener))
        for path, word in (
            (tmp_path, "directory"),
            (fifo, "pipe"),
            (listener, "socket"),
            (Path("/dev/zero"), "device"),
        ):
            with pytest.raises(errors.NotAModelFileError, match="not a layerkit file") as caught:
                open_document(path)
            assert word in str(caught.value.hint)
            assert caught.value.path == str(path)


def test_a_missing_or_unreadable_file_gives_the_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_document(tmp_path / "none.layerkit")
    path = tmp_path / "locked"
    path.write_bytes(b"")
    path.chmod(0)
    if os.geteuid():
        with pytest.raises(PermissionError):
            open_document(path)


def test_a_link_to_a_file_is_followed(tiny: bytes, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(on_disk(tiny, tmp_path))
    with open_document(tmp_path / "link") as document:
        assert document.size == 644


def test_a_path_is_opened_once_and_closed(
    tiny: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, opened, really = on_disk(tiny, tmp_path), [], os.open

    def spy(*args: Any, **keys: Any) -> int:
        opened.append(args[0])
        return really(*args, **keys)

    monkeypatch.setattr(os, "open", spy)
    monkeypatch.setattr(io, "open", None)
    monkeypatch.setattr("builtins.open", None)
    before = len([*Path("/proc/self/fd").iterdir()])
    for mmap in (False, True):
        with open_document(path, mmap=mmap) as document:
            document.read()
    assert opened == [path, path]
    del document
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_a_refused_file_is_closed(tiny: bytes, tmp_path: Path) -> None:
    path = on_disk(put(tiny, 100, b"\xff"), tmp_path)
    before = len([*Path("/proc/self/fd").iterdir()])
    with pytest.raises(errors.CorruptFileError) as caught:
        open_document(path)
    assert caught.value.path == path
    assert str(caught.value).startswith(path + ": ")
    del caught
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_a_stream_is_left_open_and_has_no_path(tiny: bytes) -> None:
    stream = io.BytesIO(tiny)
    with open_document(stream) as document:
        assert document.path is None
    assert not stream.closed
    assert refused(tiny[:20], errors.TruncatedFileError).path is None


def test_neither_path_nor_stream_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="path or a binary file object"):
        open_document(42)  # type: ignore[arg-type]


# --- steps 2 and 3 ---


@pytest.mark.parametrize("size", range(10))
def test_fewer_than_ten_bytes_are_no_model(tiny: bytes, size: int) -> None:
    error = refused(tiny[:size], errors.NotAModelFileError)
    assert "not a layerkit file: " in str(error)
    assert ("empty" if size == 0 else "cut off") in str(error.hint)
    assert ("save the model again" if size == 0 else "cut off") in error.hint


def test_another_magic_is_no_model_whatever_follows(tiny: bytes) -> None:
    error = refused(b"<html>" + tiny[6:], errors.NotAModelFileError)
    assert "HTML" in str(error)
    other = refused(put(tiny, 0, b"\x84"), errors.NotAModelFileError)
    assert str(other).startswith("not a layerkit file: it starts with b'\\x84\\xa8")
    assert other.hint == "name the model file that layerkit train saved"


@pytest.mark.parametrize("major", [2, 127])
def test_a_newer_major_is_judged_before_anything_else(tiny: bytes, major: int) -> None:
    damaged = put(tiny, 10, b"\x99" + bytes([major, 255]))
    for raw in (damaged, damaged[:13], damaged[:12]):
        error = refused(raw, errors.UnsupportedFormatError)
        assert "needs a newer layerkit" in str(error)
        assert error.needs == (f"format {major}",)


@pytest.mark.parametrize(("at", "number"), [(11, 0), (11, 128), (11, 255), (12, 128), (12, 255)])
def test_a_version_byte_out_of_range_is_malformed(tiny: bytes, at: int, number: int) -> None:
    error = refused(put(tiny, at, bytes([number])), errors.MalformedFileError)
    assert "1.3" in str(error)
    assert error.offset == at
    short = tiny[:at] + bytes([number])
    assert refused(short, errors.MalformedFileError).offset == at


# --- steps 4 to 7 ---


@pytest.mark.parametrize("size", [10, 11, 12, 13, 21, 22, 76, 77, 300, 512, 522, 523])
def test_a_cut_header_is_truncated_and_says_both_sizes(
    tiny: bytes, size: int, tmp_path: Path
) -> None:
    want = 77 if size < 22 else 644
    for source in (io.BytesIO(tiny[:size]), on_disk(tiny[:size], tmp_path)):
        if isinstance(source, io.BytesIO) and size == 523:
            continue  # the header is whole: a stream ends later
        with pytest.raises(errors.TruncatedFileError) as caught:
            open_document(source)
        assert (caught.value.have, caught.value.want) == (size, want)
        assert str(size) in str(caught.value)
        assert str(want) in str(caught.value)


@pytest.mark.parametrize("at", [10, 13, 22, 27, 36, 37, 70, 71, 76])
def test_the_constants_of_the_prologue_are_exact(tiny: bytes, at: int) -> None:
    error = refused(put(tiny, at, bytes([tiny[at] ^ 1])), errors.MalformedFileError)
    assert "rule 1.2" in str(error)


def test_every_unknown_flag_is_named(forge: Any) -> None:
    error = refused(forge.build(flags=(1 << 63) | 2), errors.UnsupportedFormatError)
    assert error.needs == ("flag bit 1", "flag bit 63")
    assert "flag bit 1, flag bit 63" in str(error)


def test_bytes_behind_the_model_are_counted(tiny: bytes, tmp_path: Path) -> None:
    with pytest.raises(errors.MalformedFileError, match="3 trailing bytes"):
        open_document(on_disk(tiny + b"abc", tmp_path))


def test_a_claimed_size_is_never_believed(forge: Any, tmp_path: Path) -> None:
    with pytest.raises(errors.TruncatedFileError):
        open_document(on_disk(forge.build(size=2**63 - 1), tmp_path))
    error = refused(forge.build(size=2**63), errors.MalformedFileError)
    assert "1.1" in str(error)
    error = refused(forge.build(size=2**40), errors.LimitExceededError)
    assert (error.limit, error.value) == ("stream_bytes", 2**40)


def test_a_header_length_is_held_against_the_file_before_the_limit(tiny: bytes) -> None:
    for length in (0, 644 - 86, 2**32 - 1):
        raw = put(tiny, 23, struct.pack(">I", length))
        error = refused(raw, errors.MalformedFileError, limits=Limits(header_bytes=100))
        assert "1.5" in str(error)
    error = refused(tiny, errors.LimitExceededError, limits=Limits(header_bytes=435))
    assert (error.limit, error.value, error.allowed) == ("header_bytes", 436, 435)
    assert open_document(io.BytesIO(tiny), limits=Limits(header_bytes=436))


def test_the_data_marker_is_exact(tiny: bytes) -> None:
    for at in range(513, 519):
        error = refused(put(tiny, at, bytes([tiny[at] ^ 1])), errors.MalformedFileError)
        assert "1.6" in str(error)


# --- step 8 ---


@pytest.mark.parametrize("at", [12, 38, 69, 77, 300, 512, 522])
def test_the_root_covers_version_header_and_slots(tiny: bytes, at: int) -> None:
    error = refused(put(tiny, at, bytes([tiny[at] ^ 1])), errors.CorruptFileError)
    assert error.tensor == "header"
    assert f"expected SHA-256 {error.expected}, got {error.actual}" in str(error)
    assert error.expected != error.actual


def test_the_expected_id_is_compared_before_the_header_is_decoded(forge: Any) -> None:
    raw = forge.build(b"\xc0")
    error = refused(raw, errors.CorruptFileError, expected_id="sha256:" + "0" * 64)
    assert error.tensor == "header"
    assert "sha256:" + "0" * 64 in str(error)
    assert error.actual in str(error)
    assert error.actual.startswith("sha256:")
    refused(raw, errors.MalformedFileError, expected_id=error.actual)


def test_the_right_id_is_accepted(tiny: bytes) -> None:
    wanted = open_document(io.BytesIO(tiny)).file_id
    assert open_document(io.BytesIO(tiny), expected_id=wanted).file_id == wanted
