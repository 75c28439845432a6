"""layerkit's decoder against another one, and both builds of msgpack against the same tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.codec.differential import compare

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def test_two_decoders_accept_the_same_headers_with_the_same_values() -> None:
    counts, different = compare(3000)
    assert different == []
    assert counts["OK", "OK"] > 200
    # Of several faults either may be found first, but neither decoder has errors of its own.
    refusals = {"MalformedFileError", "LimitExceededError"}
    assert {*counts} <= {("OK", "OK")} | {(a, b) for a in refusals for b in refusals}
    same = sum(count for (ours, theirs), count in counts.items() if ours == theirs)
    assert same > 0.85 * counts.total()


def without_extension(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"MSGPACK_PUREPYTHON": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_same_is_so_without_the_compiled_extension() -> None:
    without_extension("-m", "tests.unit.codec.differential", "600", "1")


@pytest.mark.parametrize(
    "name", [pytest.param("test_decode.py", marks=pytest.mark.slow), "test_encode.py"]
)
def test_all_rules_hold_without_the_compiled_extension(name: str) -> None:
    without_extension("-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / name))
