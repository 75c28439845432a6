"""Bounds on what a file may ask of a reader (FORMAT.md section 7).

A number out of a file is compared with these before anything is allocated by it. Writers apply the
same bounds, so that what was saved can be loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from layerkit.errors import LimitExceededError

_CEILINGS = {"header_bytes": 64 << 20, "depth": 256}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may ask for; raise a field only for files you trust.

    Attributes
    ----------
    header_bytes : int
        Length of the encoded header, at most 64 MiB.
    items : int
        Elements of one array or pairs of one map.
    string_bytes : int
        Length of one string in UTF-8.
    values : int
        MessagePack objects in the header: keys, values and containers.
    depth : int
        Nested containers, the header map being 1; at most 256, which Python's own stack can hold.
    tensors : int
        Tensor records.
    layers : int
        Layer records, nested ones too.
    metadata_bytes : int
        Length of the encoded ``metadata``.
    stream_bytes : int
        File size that a stream may claim; a path is bounded by its own size.

    Raises
    ------
    ValueError
        For a field that is not an int >= 0 or is above its ceiling.
    """

    header_bytes: int = 16 << 20
    items: int = 65_536
    string_bytes: int = 1 << 20
    values: int = 1_000_000
    depth: int = 64
    tensors: int = 50_000
    layers: int = 10_000
    metadata_bytes: int = 1 << 20
    stream_bytes: int = 8 << 30

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            ceiling = _CEILINGS.get(field.name)
            if type(value) is not int or value < 0:
                raise ValueError(f"Limits.{field.name}: expected an int >= 0, got {value!r}")
            if ceiling is not None and value > ceiling:
                raise ValueError(f"Limits.{field.name}: expected at most {ceiling}, got {value}")

    def check(self, field: str, value: int, *, offset: int | None = None) -> None:
        """Raise LimitExceededError if ``value`` is above the limit called ``field``."""
        allowed = getattr(self, field)
        if value > allowed:
            raise LimitExceededError(field, value, allowed, offset=offset)


_default = Limits()


def limits_in_use(given: Limits | None = None) -> Limits:
    """``given``, or the default limits."""
    return _default if given is None else given


@contextmanager
def using_limits(limits: Limits) -> Iterator[None]:
    """Make ``limits`` the default of the whole process, for one command."""
    global _default  # a command's threads use them too
    before, _default = _default, limits
    try:
        yield
    finally:
        _default = before
