"""The small reader of version requirements agrees with the ``packaging`` library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from layerkit.discovery.compatibility import allows

NUMBERS = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda n: ".".join(map(str, n)))
TWO = st.lists(st.integers(0, 3), min_size=2, max_size=3).map(lambda n: ".".join(map(str, n)))
CLAUSES = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["==", "!=", "<=", ">=", "<", ">"]), NUMBERS),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), NUMBERS),
    st.builds("~={}".format, TWO),
)


@given(st.lists(CLAUSES, min_size=1, max_size=3), NUMBERS)
def test_releases_are_compared_as_pip_compares_them(clauses: list[str], version: str) -> None:
    wanted = ",".join(clauses)
    assert allows(wanted, version) == SpecifierSet(wanted).contains(version)


@pytest.mark.parametrize(
    ("wanted", "version", "good"),
    [
        ("==1", "1.0.0", True),
        ("~=2.0.0", "2", True),
        (">1", "1.0", False),
        ("<1.0", "1", False),
        (">=0.2", "0.2.0.dev3", True),
        ("<0.2", "0.2.0.dev3", False),
        (" >= 0.1 , < 0.2 ", "0.1.9", True),
        (">=v1.0", "1.0", True),
        ("===weird", "1.0", True),
        (">=9", "unknown", True),
    ],
)
def test_lengths_and_what_is_not_a_plain_release(wanted: str, version: str, good: bool) -> None:
    assert allows(wanted, version) is good
