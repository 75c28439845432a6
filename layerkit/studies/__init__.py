"""Studies: every combination of some fields of a spec, each with several seeds, resumable."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerkit.studies.budget import Matched, match_widths
    from layerkit.studies.result import PointRow, Study
    from layerkit.studies.run import study

__all__ = ["Matched", "PointRow", "Study", "match_widths", "study"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:  # ``layerkit explain`` needs the descriptions of fields only
        if name in ("Matched", "match_widths"):
            from layerkit.studies import budget as home
        elif name in ("PointRow", "Study"):
            from layerkit.studies import result as home
        elif name == "study":
            from layerkit.studies import run as home
        else:
            raise AttributeError(f"module 'layerkit.studies' has no attribute {name!r}")
        return getattr(home, name)
