"""Comparing the tensors of a file with those that its spec implies (step 16)."""

from __future__ import annotations

import numpy as np

from layerkit.codec import Document, format_dtype
from layerkit.core.planning import PlannedLayer
from layerkit.errors import SpecError, TensorMismatchError

_COPIES = 256 << 20  # bytes, or 8 times the file


def check_tensors(document: Document, planned: list[PlannedLayer], dtype: str) -> None:
    """Compare the tensors of the file with those that the plans imply.

    Raises one TensorMismatchError for all names, roles, dtypes and shapes that differ.
    """
    kind = str(format_dtype(np.dtype(dtype)))
    expected = {
        f"{p.name}.{name}": (role, kind, tuple(param.shape))
        for p in planned
        for role, group in (("param", p.plan.params), ("state", p.plan.state))
        for name, param in group.items()
    }
    found = {
        name: (record.role, record.dtype, tuple(record.shape))
        for name, record in document.tensors.items()
        if record.role in ("param", "state")
    }
    found |= {alias: found[target] for alias, target in document.aliases.items()}
    missing = sorted(expected.keys() - found.keys())
    unexpected = sorted(found.keys() - expected.keys())
    wrong = [
        (name, _described(*expected[name]), _described(*found[name]))
        for name in sorted(expected.keys() & found.keys())
        if expected[name] != found[name]
    ]
    if not (missing or unexpected or wrong):
        return
    parts = [f"missing {', '.join(missing)}"] if missing else []
    parts += [f"unexpected {', '.join(unexpected)}"] if unexpected else []
    parts += [f"expected {want} for {name}, got {have}" for name, want, have in wrong]
    raise TensorMismatchError(
        f"the tensors are not those of the spec: {'; '.join(parts)}",
        missing=missing,
        unexpected=unexpected,
        mismatched=wrong,
    )


def check_copies(document: Document, planned: list[PlannedLayer], dtype: str) -> None:
    """Raise SpecError if copies of shared tensors, one per layer, take far more than the file."""
    size = sum(p.size + sum(s.size for s in p.plan.state.values()) for p in planned)
    needed, allowed = size * np.dtype(dtype).itemsize, max(_COPIES, 8 * document.size)
    if document.aliases and needed > document.size + allowed:
        raise SpecError(
            f"the layers share tensors: copies would take {needed:,} bytes, the file has "
            f"{document.size:,}",
            location="aliases",
            hint="mmap=True keeps the tensors shared, in the file",
        )


def _described(role: str, dtype: str, shape: tuple[int, ...]) -> str:
    return f"{role} {dtype} {list(shape)}"
