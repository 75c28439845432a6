"""The root of the project on sys.path, for ``tests.fuzz``; acme-parts, installed for one test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture
def acme_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install acme-parts 2.1.0 and forget it again."""
    from layerkit.discovery import registry
    from tests.golden import acme

    def forget() -> None:
        for held in vars(registry).values():
            if hasattr(held, "cache_clear"):
                held.cache_clear()

    kept = {kind: dict(one._loaded) for kind, one in registry.REGISTRIES.items()}
    acme.install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    forget()
    yield
    for kind, one in registry.REGISTRIES.items():
        one._loaded.clear()
        one._loaded.update(kept[kind])
    sys.modules.pop("acme_parts", None)
    monkeypatch.undo()
    forget()
