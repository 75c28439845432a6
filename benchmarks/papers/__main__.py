"""Write the tables of docs/explanation/papers.md from the finished runs in studies/*.study.

    python -m benchmarks.papers

Nothing is trained: ``layerkit study`` does that.
"""

from __future__ import annotations

from benchmarks.papers.tables import PAGE, written

PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
