"""Whole numbers in the kit: layers that take them get them, and wrong declarations are found."""

from __future__ import annotations

import pytest

from layerkit import Layer
from layerkit.testing import check_part
from tests.kit.whole import Lookup, LosesReal, OneTooMany, Turned


def test_rows_of_whole_and_real_numbers_conform() -> None:
    check_part(Lookup).raise_if_failed()


@pytest.mark.parametrize(
    ("cls", "check", "words"),
    [
        (OneTooMany, "plan.shape", "IndexError"),
        (LosesReal, "gradient.inputs", "dL/dx differs"),
        (Turned, "plan.shape", "not the inputs that moves names"),
    ],
    ids=lambda v: v.__name__ if isinstance(v, type) else None,
)
def test_wrong_declarations_are_found(cls: type[Layer], check: str, words: str) -> None:
    failed = {o.id: o.message for o in check_part(cls).outcomes if o.status == "failed"}
    assert check in failed
    assert words in failed[check]
