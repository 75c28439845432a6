"""Files made by other means than layerkit's own writer: header by msgpack, layout by hand."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

Header = dict[str, Any]

TINY = """
83a86c617965726b6974 960100 cf0000000000000284 ce000001b4 cf0000000000000000 c420
f7a60d0a7b9d0e9bc57b2cff129bdb41ef53574989d31b192e7cb59c5f92d72c a6686561646572 87
a7616c696173657380 a8666561747572657382 a86f7074696f6e616c90 a8726571756972656490
a86d6574616461746180 a870726f647563657282 a46e616d65a76c6b7772697465 a776657273696f6ea3312e30
a47370656382 a56d6f64656c81 a66c617965727391 83a6636f6e66696782 a6696e7075747302
a76f75747075747301 a46e616d65a164 a474797065a564656e7365 a6736368656d6101 a774656e736f727392
87a56474797065a3663332 a46e616d65a3642e57 a66e627974657308 a66f666673657400 a4726f6c65a5706172616d
a6736861323536c420 b9c80b5adeca450753a16950c3cc655d271f7bef7a485bc83f112b72fef21d37
a57368617065920201 87a56474797065a3663332 a46e616d65a3642e62 a66e627974657304 a66f666673657440
a4726f6c65a5706172616d a6736861323536c420
d99e58435243d9fef9c88273b8d553b4fba4d0baf8009d29eae74fa99e0d9f57 a573686170659101 a5747970657381
a564656e736584 ae636f6e6669675f76657273696f6e01 a464697374a86c617965726b6974
ab656e7472795f706f696e74a564656e7365 a776657273696f6ea5312e302e30 a464617461dd00000004
"""


@pytest.fixture(scope="session")
def tiny() -> bytes:
    """The worked example of FORMAT.md section 13, byte by byte."""
    head = bytes.fromhex(TINY)
    first = b"\xc4\x2e" + bytes(46) + b"\xc6\x00\x00\x00\x08" + struct.pack("<2f", 1.0, 2.0)
    second = b"\xc4\x31" + bytes(49) + b"\xc6\x00\x00\x00\x04" + struct.pack("<f", 0.5)
    return head + first + second


def canonical(value: Any) -> bytes:
    """MessagePack with sorted keys; a Raw value goes in as it is."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda pair: pair[0].encode())
        head: bytes = msgpack.Packer().pack_map_header(len(items))
        return head + b"".join(canonical(key) + canonical(item) for key, item in items)
    if isinstance(value, list):
        head = msgpack.Packer().pack_array_header(len(value))
        return head + b"".join(map(canonical, value))
    packed: bytes = msgpack.packb(value)
    return packed


class Raw(bytes):
    """An encoded MessagePack value."""


class Forge:
    """Makes files from header and payloads, right or wrong in exactly what a test says."""

    raw = Raw
    payloads = (struct.pack("<2f", 1.0, 2.0), struct.pack("<f", 0.5), b"\x01\x00\x01")

    def header(self) -> Header:
        """One dense layer ``d`` with W (2, 1), b (1,) and a bool state ``mask`` (3,)."""
        tensors: list[Header] = []
        shapes: tuple[tuple[str, str, str, list[int]], ...] = (
            ("d.W", "param", "f32", [2, 1]),
            ("d.b", "param", "f32", [1]),
            ("d.mask", "state", "bool", [3]),
        )
        for (name, role, dtype, shape), payload in zip(shapes, self.payloads, strict=True):
            record = {"name": name, "role": role, "dtype": dtype, "shape": shape}
            tensors.append({**record, **self.about(payload), "offset": 64 * len(tensors)})
        return {
            "aliases": {"d.tied": "d.W"},
            "features": {"optional": [], "required": []},
            "metadata": {"license": "MIT"},
            "producer": {"name": "test", "version": "1"},
            "spec": {
                "schema": 1,
                "model": {"layers": [{"type": "dense", "name": "d", "config": {}}]},
            },
            "tensors": tensors,
            "types": {
                "dense": {
                    "config_version": 1,
                    "dist": "layerkit",
                    "entry_point": "dense",
                    "version": "1.0",
                }
            },
        }

    def about(self, payload: bytes) -> Header:
        return {"nbytes": len(payload), "sha256": hashlib.sha256(payload).digest()}

    def training(self) -> Header:
        stream = {"bit_generator": "PCG64", "has_uint32": 0, "inc": "0" * 31 + "1"}
        return {
            "callbacks": {"stop": {"best": float("inf")}},
            "epoch": 1,
            "optimizer": {"type": "adam", "config": {}, "slots": ["m", "v"], "state": {"t": 3}},
            "rng": {"shuffle": {**stream, "state": "0" * 32, "uinteger": 0}},
            "step": 3,
        }

    def build(
        self,
        header: Header | bytes | None = None,
        payloads: tuple[bytes, ...] | None = None,
        *,
        minor: int = 0,
        flags: int = 0,
        size: int | None = None,
        slots: int | None = None,
        max_chunk: int = 2**31 - 64,
    ) -> bytes:
        encoded = header if isinstance(header, bytes) else canonical(header or self.header())
        body, count = b"", 0
        for payload in self.payloads if payloads is None else payloads:
            for start in range(0, len(payload) or 1, max_chunk):
                chunk = payload[start : start + max_chunk]
                pad = -(87 + len(encoded) + len(body) + 7) % 64
                body += b"\xc4" + bytes([pad]) + bytes(pad)
                body += b"\xc6" + struct.pack(">I", len(chunk)) + chunk
                count += 2
        total = 87 + len(encoded) + len(body) if size is None else size
        start_bytes = b"\x83\xa8layerkit\x96\x01" + bytes([minor]) + b"\xcf"
        start_bytes += struct.pack(">QBIBQ", total, 0xCE, len(encoded), 0xCF, flags) + b"\xc4\x20"
        rest = b"\xa6header" + encoded + b"\xa4data\xdd"
        rest += struct.pack(">I", count if slots is None else slots)
        return start_bytes + hashlib.sha256(start_bytes + bytes(32) + rest).digest() + rest + body

    def edited(self, change: Callable[[Header], object], **keys: Any) -> bytes:
        header = self.header()
        change(header)
        return self.build(header, **keys)


@pytest.fixture(scope="session")
def forge() -> Forge:
    return Forge()


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The folder of reference tools and samples, which lies beside the checkout if at all."""
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("LAYERKIT_SHARED", root.parent / "shared")) / "format"
    if not (folder / "lkverify.py").is_file():
        pytest.skip(f"the format's reference tools are not at {folder}")
    return folder
