from __future__ import annotations

import subprocess
import sys

import layerkit.codec


def test_the_public_names_are_these() -> None:
    assert layerkit.codec.__all__ == [
        "DTYPES",
        "Document",
        "LayerEntry",
        "LazyTensors",
        "Limits",
        "Shaped",
        "TensorRecord",
        "check_content",
        "check_data_contract",
        "format_dtype",
        "layer_records",
        "load_tensors",
        "open_document",
        "tensor_digests",
        "write",
    ]
    assert all(hasattr(layerkit.codec, name) for name in layerkit.codec.__all__)


def test_nothing_heavy_and_no_plugin_is_imported() -> None:
    code = (
        "import sys, layerkit.codec; "
        "print([m for m in ('pydantic', 'typer', 'layerkit_plugins', 'mmap', "
        "'importlib.metadata', 'concurrent.futures', 'layerkit.discovery.registry') "
        "if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
