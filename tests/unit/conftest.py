"""What several unit tests need: parts that are forgotten again, and pretended distributions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import layerkit
from layerkit.discovery import registry

Install = Callable[..., Path]


def _forget() -> None:
    for held in vars(registry).values():
        if hasattr(held, "cache_clear"):
            held.cache_clear()


@pytest.fixture
def register() -> Iterator[Callable[[Any], Any]]:
    """``layerkit.register`` whose classes are forgotten after the test."""
    kept = {kind: dict(one._local) for kind, one in registry.REGISTRIES.items()}
    yield layerkit.register
    for kind, one in registry.REGISTRIES.items():
        one._local.clear()
        one._local.update(kept[kind])
    _forget()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Pretend that a distribution is installed: metadata, entry points and modules on sys.path."""
    loaded = {kind: dict(one._loaded) for kind, one in registry.REGISTRIES.items()}
    modules = set(sys.modules)
    count = iter(range(1000))

    def make(
        name: str,
        entry_points: str,
        modules: Mapping[str, str] | None = None,
        *,
        version: str = "1.0",
        metadata: str | None = None,
    ) -> Path:
        folder = tmp_path / f"site{next(count)}"
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        given = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (info / "METADATA").write_text(given if metadata is None else metadata)
        (info / "entry_points.txt").write_text(entry_points)
        for module, text in (modules or {}).items():
            (folder / f"{module}.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        _forget()
        return folder

    yield make
    for kind, one in registry.REGISTRIES.items():
        one._loaded.clear()
        one._loaded.update(loaded[kind])
    for module in set(sys.modules) - modules:
        if getattr(sys.modules[module], "__file__", None) and str(tmp_path) in str(
            sys.modules[module].__file__
        ):
            del sys.modules[module]
    monkeypatch.undo()
    _forget()
