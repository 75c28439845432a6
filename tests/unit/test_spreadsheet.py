"""CSV cells: no spreadsheet runs one, and every reader gets back what was written."""

from __future__ import annotations

import csv
import io
import itertools

import pytest

from layerkit.data.spreadsheet import cell, line, original

_ALPHABET = ("'", "=", "-", "+", "@", "1", "a", ",", ";", '"', "\t", "\r", "\n", " ", "\uff1d")


def test_every_text_comes_back_and_none_runs() -> None:
    written: dict[str, str] = {}
    for length in range(4):
        for letters in itertools.product(_ALPHABET, repeat=length):
            text = "".join(letters)
            found = next(csv.reader(io.StringIO(f"x,{cell(text)},y\n", newline="")))[1]
            assert original(found) == text
            assert written.setdefault(found, text) == text
            raw = next(csv.reader(io.StringIO(f"x,{cell(text, raw=True)}\n", newline="")))[1]
            assert raw == text
            if found[:1] in ("=", "@", "\t", "\r", "\n", "\uff1d") or "a" in found[1:]:
                assert not found.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+cmd", "-cmd", "@sum(a1)", "\t=1", "\r=1"])
def test_formulas_get_a_quote_in_front(text: str) -> None:
    found = next(csv.reader(io.StringIO(cell(text) + "\n", newline="")))[0]
    assert found == f"'{text}"


@pytest.mark.parametrize(
    "text", ["-1", "+7", "-1.5e-3", ".5", "-5%", "+", "-", "+/-", "cat", "'tis"]
)
def test_numbers_signs_and_ordinary_labels_stay_as_they_are(text: str) -> None:
    assert cell(text) == text


def test_a_line_takes_numbers_as_they_are() -> None:
    assert line(["=a", -1, float("-inf"), None, "b;c"]) == '\'=a,-1,-inf,,"b;c"'
    assert line(["=a"], raw=True) == "=a"
