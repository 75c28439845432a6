"""Studies: every combination of some fields of a spec, each with several seeds, resumable."""

from layerkit.studies.budget import Matched, match_widths
from layerkit.studies.result import PointRow, Study
from layerkit.studies.run import study

__all__ = ["Matched", "PointRow", "Study", "match_widths", "study"]
