"""Read a layerkit model file with msgpack and NumPy alone: python read.py FILE..."""

import hashlib
import json
import sys
from pathlib import Path

import msgpack
import numpy as np

MAX_CHUNK = 2**31 - 64
DTYPES = {"bool": "|b1"} | {f"{k}{8 * n}": f"<{k}{n}" for k in "iu" for n in (1, 2, 4, 8)}
DTYPES |= {f"f{8 * n}": f"<f{n}" for n in (2, 4, 8)} | {f"c{8 * n}": f"<c{n}" for n in (8, 16)}


def read(path):
    """The header and the tensors by name; ValueError if a digest or the form is wrong."""
    raw = Path(path).read_bytes()
    if raw[:10] != b"\x83\xa8layerkit" or raw[11:12] != b"\x01":
        raise ValueError("not a layerkit file of format 1")
    if int.from_bytes(raw[14:22], "big") != len(raw) or raw[27:36] != b"\xcf" + bytes(8):
        raise ValueError("cut off, too long, or with flags of a newer format")
    end = 87 + int.from_bytes(raw[23:27], "big")  # of the header and the ten bytes after it
    if hashlib.sha256(raw[:38] + bytes(32) + raw[70:end]).digest() != raw[38:70]:
        raise ValueError("the header is corrupt")
    document = msgpack.unpackb(raw)  # refuses bytes left over; no key but str, no ext hook
    header, slots = document["header"], iter(document["data"])
    if header["features"]["required"]:
        raise ValueError(f"needs {header['features']['required']}")
    arrays = {}
    for t in header["tensors"]:
        chunks = [(next(slots), next(slots)) for _ in range(max(1, -(-t["nbytes"] // MAX_CHUNK)))]
        payload = b"".join(chunk for _, chunk in chunks)
        if any(any(pad) for pad, _ in chunks) or hashlib.sha256(payload).digest() != t["sha256"]:
            raise ValueError(f"tensor {t['name']} is corrupt")
        if t["dtype"] == "bool" and payload.strip(b"\0\1"):
            raise ValueError(f"tensor {t['name']}: a bool is 0 or 1")
        arrays[t["name"]] = np.frombuffer(payload, DTYPES[t["dtype"]]).reshape(t["shape"])
    arrays |= {alias: arrays[name] for alias, name in header["aliases"].items()}
    return header, arrays


if __name__ == "__main__":
    for path in sys.argv[1:]:
        header, arrays = read(path)
        for name, array in arrays.items():
            line = [name, array.dtype.str, list(array.shape), array.tobytes().hex()]
            print(json.dumps(line))  # noqa: T201
