from __future__ import annotations

import dataclasses

import pytest

from layerkit.codec import Limits
from layerkit.errors import LimitExceededError


def test_defaults_are_those_of_the_format() -> None:
    assert dataclasses.asdict(Limits()) == {
        "header_bytes": 16 << 20,
        "items": 65_536,
        "string_bytes": 1 << 20,
        "values": 1_000_000,
        "depth": 64,
        "tensors": 50_000,
        "layers": 10_000,
        "metadata_bytes": 1 << 20,
        "stream_bytes": 8 << 30,
    }


def test_limits_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits().depth = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value"),
    [("header_bytes", (64 << 20) + 1), ("depth", 257), ("items", -1), ("values", True)],
)
def test_what_is_no_limit_is_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"Limits\.{field}"):
        Limits(**{field: value})


def test_check_allows_the_limit_itself_and_names_what_exceeds_it() -> None:
    limits = Limits(tensors=3)
    limits.check("tensors", 3)
    with pytest.raises(LimitExceededError, match=r"Limits\.tensors.*4.*3") as caught:
        limits.check("tensors", 4, offset=9)
    assert (caught.value.limit, caught.value.value, caught.value.allowed) == ("tensors", 4, 3)
    assert caught.value.offset == 9
