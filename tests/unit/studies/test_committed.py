"""The studies of the repository can be run: their specs, grids, widths and spaces hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerkit.studies.document import read_study
from layerkit.studies.matching import match_points

FOLDER = Path(__file__).resolve().parents[3] / "studies"
STUDIES = [p for p in sorted(FOLDER.glob("*.json")) if "layerkit_study" in p.read_text("utf-8")]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_is_sound_and_named_in_the_list(path: Path) -> None:
    plan, _ = match_points(read_study(path), {})
    assert plan.name == path.stem
    assert all(point.spec.plan() for point in plan.points)
    assert f"| `{path.stem}` |" in (FOLDER / "README.md").read_text("utf-8")


def test_studies_are_found() -> None:
    assert len(STUDIES) >= 4
