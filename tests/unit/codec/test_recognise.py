from __future__ import annotations

import stat
import struct

import pytest

from layerkit.codec.recognise import kind_hint, mode_noun

SAFETENSORS = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"", "save the model again"),
        (b"\x83\xa8lay", "cut off"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"\xef\xbb\xbf\r\n <html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"PK\x03\x04" + bytes(20), "zip"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x80\x04\x95" + bytes(20), "pickle"),
        (struct.pack("<Q", len(SAFETENSORS)) + SAFETENSORS, "safetensors"),
        (b"GGUF\3\0\0\0", "GGUF"),
        (b"\x93NUMPY\1\0", "npy"),
        (b"\x1f\x8b\x08", "gzip"),
        (b' {"layers": []}', "JSON"),
        (b"id,age,churned\nC-1,34,no\n", "a table: layerkit spec init"),
        (b"\xef\xbb\xbfid;Gr\xc3\xb6\xc3", "a table: layerkit spec init"),
        (b"id\tage\r\n", "a table: layerkit spec init"),
        (b"PAR1\x15\x04", "a table: layerkit spec init"),
        (bytes(77), "zeros"),
    ],
)
def test_says_what_the_file_is(head: bytes, word: str) -> None:
    assert word in (kind_hint(head, 1000) or "")


@pytest.mark.parametrize(
    "head", [b"weights to follow", b"a,b\0", b"\x81\xa7weights", b"\x80\x09", b"\0" * 9]
)
def test_says_nothing_when_it_cannot_tell(head: bytes) -> None:
    assert kind_hint(head, 1000) is None


def test_a_safetensors_length_beyond_the_file_is_none() -> None:
    assert kind_hint(struct.pack("<Q", 5000) + b"{", 1000) is None


@pytest.mark.parametrize(
    ("mode", "word"),
    [
        (stat.S_IFDIR, "directory"),
        (stat.S_IFCHR, "device"),
        (stat.S_IFBLK, "device"),
        (stat.S_IFIFO, "pipe"),
        (stat.S_IFSOCK, "socket"),
        (0, "unknown kind"),
    ],
)
def test_says_what_is_no_file(mode: int, word: str) -> None:
    assert word in mode_noun(mode | 0o644)
