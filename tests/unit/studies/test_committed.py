"""The studies of the repository can be run, and their finished runs are what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.papers.tables import PAGE, table, written
from layerkit.studies.document import read_study
from layerkit.studies.matching import match_points
from layerkit.studies.run import read_results

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


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_run_is_finished_and_known_by_the_keys_of_today(path: Path) -> None:
    found = read_results(path, path.with_suffix(".study"))
    assert found.done == found.total >= 5
    assert all(row.summary and not row.missing and not row.failed for row in found.rows)


def test_the_page_shows_the_finished_runs() -> None:
    page = PAGE.read_text("utf-8")
    shown = {path.stem for path in STUDIES if f"<!-- runs: {path.stem}" in page}
    assert shown == {path.stem for path in STUDIES}
    assert written(page) == page, "run: python -m benchmarks.papers"


def test_a_difference_from_a_point_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no answers of the point 'nobody'"):
        table("distillation", "nobody")
