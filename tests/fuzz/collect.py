"""Collect the corpus: python -m tests.fuzz.collect [--cases 20000]

Keeps, of damaged small files, the smallest one for each kind of refusal, and what readers said to
it. Cases that are there stay as they are: delete one to have it collected anew. A file that once
was judged wrongly is put there by hand, with its right verdict.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from tests.fuzz.container import Parts, assemble, take_apart
from tests.fuzz.fuzz import GOLDEN
from tests.fuzz.judge import judge
from tests.fuzz.mutations import mutate, tabled

__all__ = ["CORPUS"]

CORPUS = Path(__file__).parent / "corpus"
LIMIT = 75_000


def stock() -> list[Parts]:
    """Small files that have every section between them."""
    tiny, tied, binary, training = (
        take_apart((GOLDEN / f"{name}.layerkit").read_bytes())
        for name in ("tiny", "tied", "binary", "training")
    )
    header, payloads = tiny.copy()
    header["training"] = training.header["training"]
    header["training"]["optimizer"]["slots"] = ["m"]
    header["history"] = {"loss": {"unit": "epoch"}}
    items = list(zip(header["tensors"], payloads, strict=True))
    items.append(({**items[0][0], "name": "optimizer/m/d.W", "role": "optimizer"}, payloads[0]))
    series = {"name": "history/loss", "role": "history", "dtype": "f64", "shape": [1]}
    items.append(({**items[0][0], **series}, bytes(8)))
    header["tensors"], payloads = tabled(items)
    return [tiny, tiny, take_apart(assemble(header, payloads)), tied, binary]


def kind_of(reason: str) -> str:
    """The rule that a refusal names, or its first words."""
    rule = re.search(r"rule (\d+\.\d+): (.*)", reason)
    text = rule[2] if rule else reason.partition("\n")[0]
    plain = re.sub(r"(?<![a-z])'[^']*'|\S*[^a-z ,']\S*", "", text)
    return " ".join([*([rule[1]] if rule else []), *re.findall("[a-z]{3,}", plain)[:3]])


def main(words: list[str]) -> int:
    """Add what is not there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--cases", type=int, default=20_000)
    told = parser.parse_args(words)
    listing = CORPUS / "verdicts.json"
    verdicts = json.loads(listing.read_text("utf-8")) if listing.exists() else {}
    CORPUS.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp()) / "case.layerkit"
    found: dict[tuple[str, ...], tuple[bytes, str]] = {}
    bases = stock()
    for number in range(told.cases):
        mutation, raw = mutate(random.Random(f"corpus:{number}"), bases)  # noqa: S311
        verdict = judge(raw, path)
        key: tuple[str, ...] = (*verdict.classes, kind_of(verdict.reason))
        if not verdict.faults and len(raw) < len(found.get(key, (bytes(9999), ""))[0]):
            found[key] = raw, mutation
    size = sum(file.stat().st_size for file in CORPUS.glob("*.bin"))
    kinds = {entry["kind"] for entry in verdicts.values()}
    for key, (raw, mutation) in sorted(found.items(), key=lambda item: sha256(item[1][0]).digest()):
        if " ".join(key) in kinds or size + len(raw) > LIMIT:
            continue
        size += len(raw)
        name = f"{mutation}-{len(verdicts):03}.bin"
        verdicts[name] = {"verdicts": list(key[:3]), "kind": " ".join(key)}
        (CORPUS / name).write_bytes(raw)
    lines = [f" {json.dumps(name)}: {json.dumps(verdicts[name])}" for name in sorted(verdicts)]
    listing.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    print(f"{len(found)} kinds, {len(verdicts)} files, {size} bytes")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
