from typing import Any

import pytest

from layerkit.data import Dialect
from layerkit.data.dialect import DIALECT_KEYS
from layerkit.errors import DataError
from layerkit.spec.sections import DIALECT, SECTIONS


def test_the_spec_has_the_same_fields() -> None:
    assert DIALECT == DIALECT_KEYS
    assert set(DIALECT) <= set(SECTIONS["input"].model_fields)


def test_what_is_set_goes_before_the_other() -> None:
    mine = Dialect(delimiter=";", missing_values=("NA",))
    other = Dialect(delimiter="|", decimal=",", header=False)
    both = mine.over(other)
    assert both == Dialect(";", ",", header=False, missing_values=("NA",))
    assert Dialect().over(both) == both
    assert Dialect.of({**both.given(), "columns": ["a"], "encoding": None}) == both


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"delimiter": ""}, "delimiter: expected one character"),
        ({"delimiter": "ab"}, "one character, got 'ab'"),
        ({"delimiter": "\n"}, "one character"),
        ({"decimal": ";"}, "'.' or ','"),
        ({"thousands": "5"}, "no digit"),
        ({"quote": "ab"}, "one character"),
        ({"header": 1.5}, "true or false"),
        ({"comment": ""}, "comment lines"),
        ({"encoding": "latin-x"}, "latin-1"),
        ({"encoding": "base64"}, "latin-1"),
        ({"delimiter": ",", "decimal": ","}, "both delimiter and decimal"),
        ({"decimal": ".", "thousands": "."}, "both decimal and thousands"),
    ],
)
def test_what_can_be_no_dialect(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Dialect(**settings)
