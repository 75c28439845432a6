"""What layerkit makes of one file, and whether that is right.

Nothing is compared with stored answers: a file may be refused with a model file error, or it must
be a file that an independent reader finds whole, with the same numbers, whichever way it is read.
"""

from __future__ import annotations

import io
import signal
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import layerkit
from layerkit import Model, ModelFileError
from tests.fuzz.container import Header, Parts, take_apart, vouch

__all__ = ["Verdict", "judge"]

SECONDS = 20.0  # a guard against hanging, not a measurement
MEMORY = 64 << 20  # beyond some multiples of the file's size
Oracle = Callable[[bytes], tuple[str, bool]]
"""Gives the class a verifier refuses with, or OK; and whether ``load_tensors`` may accept that."""


@dataclass
class Verdict:
    """What the readers said, and what is wrong with that."""

    inspect: str = ""
    tensors: str = ""
    load: str = ""
    reason: str = ""
    faults: list[str] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, str, str]:
        return self.inspect, self.tensors, self.load


class _HangError(BaseException):
    pass


@contextmanager
def _guarded() -> Iterator[None]:
    """Raise if the block takes absurdly long, where the system can interrupt it."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def alarm(*_: object) -> None:
        raise _HangError

    before = signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(
    raw: bytes, path: Path, *, oracle: Oracle | None = None, measure: bool = False
) -> Verdict:
    """Read ``raw`` in every way; ``path`` is a file to write it to."""
    path.write_bytes(raw)
    verdict = Verdict()
    if measure:
        tracemalloc.start()
    try:
        verdict.inspect, _ = _call(layerkit.inspect, path, verdict)
        verdict.tensors, arrays = _call(layerkit.load_tensors, path, verdict)
        verdict.load, model = _call(layerkit.load, path, verdict)
        peak = tracemalloc.get_traced_memory()[1] if measure else 0
    finally:
        if measure:
            tracemalloc.stop()
    faults = verdict.faults
    if peak > MEMORY + 8 * len(raw):
        faults.append(f"memory: {peak >> 20} MiB for a file of {len(raw)} bytes")
    for earlier, later in (("inspect", "tensors"), ("tensors", "load")):
        if getattr(verdict, earlier) != "OK" and getattr(verdict, later) == "OK":
            faults.append(f"order: {later} accepts what {earlier} refuses")
    _other_ways(raw, path, verdict, arrays)
    if verdict.tensors == "OK":
        faults += _tensor_faults(raw, arrays)
    if verdict.load == "OK":
        faults += _model_faults(raw, model)
    if oracle is not None:
        faults += _disagreements(raw, verdict, oracle)
    return verdict


def _call(read: Callable[[Any], Any], source: Any, verdict: Verdict) -> tuple[str, Any]:
    """OK and the result, or the class of a proper refusal; anything else is a fault."""
    name = read.__name__
    begun = time.monotonic()
    try:
        with _guarded(), warnings.catch_warnings(), np.errstate():
            warnings.simplefilter("error")
            result = read(source)
        said = "OK"
    except ModelFileError as error:
        said, result = type(error).__name__, None
        verdict.reason = verdict.reason or error.message
        _check_text(str(error).removeprefix(f"{source}: "), verdict, name)
    except (MemoryError, OSError) as error:
        said, result = type(error).__name__, None
        verdict.faults.append(f"system: {name} raises {said}: {error}")
    except _HangError:
        said, result = "hangs", None
        verdict.faults.append(f"time: {name} takes more than {SECONDS:g} s")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        said, result = type(error).__name__, None
        verdict.faults.append(f"foreign: {name} raises {said}: {error!s:.200}")
    if time.monotonic() - begun > SECONDS:
        verdict.faults.append(f"time: {name} takes more than {SECONDS:g} s")
    return said, result


def _check_text(text: str, verdict: Verdict, name: str) -> None:
    odd = [c for c in text if not (c.isprintable() or c == "\n")]
    if odd:
        verdict.faults.append(f"text: {name} prints {odd[0]!r} as it came from the file")
    if len(text) > 4000:
        verdict.faults.append(f"text: {name} gives a message of {len(text)} characters")


def _other_ways(raw: bytes, path: Path, verdict: Verdict, arrays: Any) -> None:
    """Streams and mappings must agree with the copy."""
    aside = Verdict()
    said, streamed = _call(layerkit.load_tensors, io.BytesIO(raw), aside)
    mapped_said, mapped = _call(lambda p: layerkit.load_tensors(p, mmap=True), path, aside)
    faults = verdict.faults
    faults += [f"other way: {fault}" for fault in aside.faults]
    # A stream has no size that the claimed one could be compared with before the root is.
    cut = {"TruncatedFileError", "MalformedFileError", "LimitExceededError", "CorruptFileError"}
    if said != verdict.tensors and not {said, verdict.tensors} <= cut:
        faults.append(f"ways: path says {verdict.tensors}, stream {said}")
    if mapped_said != verdict.tensors:
        faults.append(f"ways: path says {verdict.tensors}, mmap {mapped_said}")
    for other in (streamed, mapped):
        if arrays is not None and other is not None and not _same(arrays, other):
            faults.append("ways: other numbers")


def _same(left: Any, right: Any) -> bool:
    if [*left] != [*right]:
        return False
    return all(
        left[k].dtype == right[k].dtype
        and left[k].shape == right[k].shape
        and left[k].tobytes() == right[k].tobytes()
        for k in left
    )


def _tensor_faults(raw: bytes, arrays: Any) -> list[str]:
    """Accepted tensors are those that MessagePack, SHA-256 and NumPy alone find."""
    try:
        parts = vouch(raw)
    except Exception as error:  # noqa: BLE001  # whatever it is, layerkit should have noticed
        return [f"silent: tensors accepted, but {type(error).__name__}: {error}"]
    names = [record["name"] for record in parts.header["tensors"]]
    if [*arrays] != [*names, *parts.header["aliases"]]:
        return ["silent: other names than in the file"]
    return [
        f"silent: other numbers in {name}"
        for name in arrays
        if arrays[name].tobytes() != parts.array(name).tobytes()
    ]


def _model_faults(raw: bytes, model: Model) -> list[str]:
    """An accepted model has the file's numbers, and survives being saved."""
    parts = take_apart(raw)
    held = {name: array for name, (_, array) in model.network.tensors().items()}
    wanted = [r["name"] for r in parts.header["tensors"] if r["role"] in ("param", "state")]
    wanted += [*parts.header["aliases"]]
    faults = []
    if sorted(held) != sorted(wanted):
        faults.append("silent: the model has other tensors than the file")
    else:
        faults += [
            f"silent: the model has other numbers in {name}"
            for name in wanted
            if held[name].tobytes() != parts.array(name).tobytes()
        ]
    out = io.BytesIO()
    try:
        layerkit.save(model, out)
        again = layerkit.load(io.BytesIO(out.getvalue()))
        twice = io.BytesIO()
        layerkit.save(again, twice)
    except Exception as error:  # noqa: BLE001
        return [*faults, f"saving: {type(error).__name__}: {error!s:.200}"]
    if twice.getvalue() != out.getvalue():
        faults.append("saving: twice gives other bytes")
    faults += _lost(parts, take_apart(out.getvalue()))
    if model.ready:
        rows = np.linspace(-2, 3, 5 * int(np.prod(model.contract.input.shape)))
        rows = rows.reshape(5, *model.contract.input.shape)
        with np.errstate(all="ignore"):
            first, second = _answer(model, rows), _answer(again, rows)
        if first != second:
            faults.append("saving: other predictions")
    return faults


def _answer(model: Model, rows: Any) -> bytes | str:
    try:
        predicted: bytes = model.predict(rows).tobytes()
    except layerkit.LayerkitError as error:
        return str(error)
    return predicted


def _lost(before: Parts, after: Parts) -> list[str]:
    """Sections that saving has changed, versions and a spec that was not spelled out aside."""
    old, new = _known(before), _known(after)
    if before.minor:  # fields that a newer minor has added are left behind
        for key in ("history", "selftest", "training"):
            old.pop(key, None)
            new.pop(key, None)
    changed = [key for key in {**old, **new} if repr(old.get(key)) != repr(new.get(key))]
    return [f"saving: {key} is not what was loaded" for key in sorted(changed)]


def _known(parts: Parts) -> Header:
    """What must stay."""
    keys = ("aliases", "history", "metadata", "metrics", "selftest", "training")
    known = {key: parts.header[key] for key in keys if key in parts.header}
    known["numbers"] = {
        record["name"]: record["sha256"]
        for record in parts.header["tensors"]
        if record["role"] != "selftest"
    }
    return known


def _disagreements(raw: bytes, verdict: Verdict, oracle: Oracle) -> list[str]:
    """An independent verifier that knows no layer: it may accept more than ``load``, not less."""
    said, opaque = oracle(raw)
    if "rule 2.6" in verdict.reason or "rule 2.7" in verdict.reason:
        return []  # lkverify overlooks these in fields that a newer minor has added
    if said == "OK" and verdict.tensors != "OK":
        return [f"oracle: accepts, load_tensors says {verdict.tensors}: {verdict.reason}"]
    if said != "OK" and verdict.load == "OK":
        return [f"oracle: says {said}, load accepts"]
    if said != "OK" and verdict.tensors == "OK" and not opaque:
        return [f"oracle: says {said}, load_tensors accepts"]
    return []
