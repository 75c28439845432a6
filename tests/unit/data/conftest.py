import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_data_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAYERKIT_DATA", raising=False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data sets that lies beside the repository, if it is there."""
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("LAYERKIT_SHARED", root.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: set LAYERKIT_SHARED to the folder with the shared data sets")
    return folder
