"""Model files taken apart and put together without layerkit, right or wrong in any chosen way."""

from __future__ import annotations

import copy
import hashlib
import struct
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DTYPES",
    "Pairs",
    "Parts",
    "Raw",
    "assemble",
    "encode",
    "spelled",
    "take_apart",
    "vouch",
]

DTYPES = {
    "bool": "|b1",
    **{f"i{8 * n}": f"<i{n}" for n in (1, 2, 4, 8)},
    **{f"u{8 * n}": f"<u{n}" for n in (1, 2, 4, 8)},
    **{f"f{8 * n}": f"<f{n}" for n in (2, 4, 8)},
    **{f"c{8 * n}": f"<c{n}" for n in (8, 16)},
}
Header = dict[str, Any]


class Raw(bytes):
    """An encoded value, canonical or not, that goes in as it is."""


class Pairs(list[tuple[Any, Any]]):
    """A map whose pairs stay in this order, even if a key comes twice."""


def spelled(text: str) -> bytes:
    """UTF-8, wrong where the text is."""
    return text.encode("utf-8", "surrogatepass")


def encode(value: Any) -> bytes:
    """MessagePack in the shortest form, map keys in ascending order."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, dict):
        value = Pairs(
            sorted(value.items(), key=lambda pair: str(pair[0]).encode("utf-8", "surrogatepass"))
        )
    packer = msgpack.Packer(unicode_errors="surrogatepass")
    if isinstance(value, Pairs):
        head: bytes = packer.pack_map_header(len(value))
        return head + b"".join(encode(key) + encode(item) for key, item in value)
    if isinstance(value, list):
        head = packer.pack_array_header(len(value))
        return head + b"".join(map(encode, value))
    packed: bytes = packer.pack(value)
    return packed


def assemble(
    header: Header | bytes,
    payloads: list[bytes],
    *,
    major: int = 1,
    minor: int = 0,
    flags: int = 0,
    size: int | None = None,
    header_size: int | None = None,
    slots: int | None = None,
    root: bytes | None = None,
    markers: bytes = b"\xc4\xc6",
) -> bytes:
    """A whole file, laid out and signed; each keyword replaces what would be computed."""
    encoded = header if isinstance(header, bytes) else encode(header)
    body = bytearray()
    for payload in payloads:
        pad = -(87 + len(encoded) + len(body) + 7) % 64
        body += markers[:1] + bytes([pad]) + bytes(pad)
        body += markers[1:] + struct.pack(">I", len(payload)) + payload
    total = 87 + len(encoded) + len(body) if size is None else size
    length = len(encoded) if header_size is None else header_size
    start = b"\x83\xa8layerkit\x96" + bytes([major, minor]) + b"\xcf"
    start += struct.pack(">QBIBQ", total, 0xCE, length, 0xCF, flags) + b"\xc4\x20"
    rest = b"\xa6header" + encoded + b"\xa4data\xdd"
    rest += struct.pack(">I", 2 * len(payloads) if slots is None else slots)
    if root is None:
        root = hashlib.sha256(start + bytes(32) + rest).digest()
    return start + root + rest + bytes(body)


@dataclass(frozen=True)
class Parts:
    """A file of format 1.x whose tensors have one chunk each."""

    raw: bytes
    minor: int
    header: Header
    encoded: bytes
    payloads: list[bytes]

    @property
    def file_id(self) -> str:
        return "sha256:" + self.raw[38:70].hex()

    def array(self, name: str) -> NDArray[Any]:
        """A tensor, or what an alias stands for."""
        name = self.header["aliases"].get(name, name)
        for record, payload in zip(self.header["tensors"], self.payloads, strict=True):
            if record["name"] == name:
                flat = np.frombuffer(payload, DTYPES[record["dtype"]])
                return flat.reshape(record["shape"])
        raise KeyError(name)

    def copy(self) -> tuple[Header, list[bytes]]:
        """Header and payloads to be changed."""
        return copy.deepcopy(self.header), list(self.payloads)


def take_apart(raw: bytes) -> Parts:
    """What a plain MessagePack library finds in a file; checks nothing that it does not."""
    document = msgpack.unpackb(raw)
    length = int.from_bytes(raw[23:27], "big")
    return Parts(
        raw,
        document["layerkit"][1],
        document["header"],
        raw[77 : 77 + length],
        list(document["data"][1::2]),
    )


def vouch(raw: bytes) -> Parts:
    """Take a file apart and prove it whole: it can be assembled from its parts alone.

    That it comes out byte for byte shows canonical header, layout, frames and root; the digests
    show the payloads.

    Raises
    ------
    ValueError
        If it does not.
    """
    parts = take_apart(raw)
    if encode(parts.header) != parts.encoded:
        raise ValueError("the header is not canonical")
    if assemble(parts.header, parts.payloads, minor=parts.minor) != raw:
        raise ValueError("root, layout or frames differ")
    for record, payload in zip(parts.header["tensors"], parts.payloads, strict=True):
        if hashlib.sha256(payload).digest() != record["sha256"]:
            raise ValueError(f"digest of {record['name']}")
        count = 1
        for size in record["shape"]:
            count *= size
        width = np.dtype(DTYPES[record["dtype"]]).itemsize
        if not len(payload) == record["nbytes"] == count * width:
            raise ValueError(f"size of {record['name']}")
        if record["dtype"] == "bool" and payload.strip(b"\0\1"):
            raise ValueError(f"bool of {record['name']}")
    return parts
