"""The tensors of a file against those that a spec implies (step 16)."""

from __future__ import annotations

import numpy as np

from layerkit.codec import Document, format_dtype
from layerkit.core.planning import PlannedLayer
from layerkit.errors import SpecError, TensorMismatchError

__all__ = ["check_copies", "check_tensors"]

_COPIES = 256 << 20  # bytes, or 8 times the file


def check_tensors(document: Document, planned: list[PlannedLayer], dtype: str) -> None:
    """The tensors of the file against those that the plans imply, all differences.

    Raises
    ------
    TensorMismatchError
        If any is missing, unexpected, or of another role, dtype or shape.
    """
    kind = str(format_dtype(np.dtype(dtype)))
    wanted = {
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
    missing = sorted(wanted.keys() - found.keys())
    unexpected = sorted(found.keys() - wanted.keys())
    wrong = [
        (name, _shown(wanted[name]), _shown(found[name]))
        for name in sorted(wanted.keys() & found.keys())
        if wanted[name] != found[name]
    ]
    if not (missing or unexpected or wrong):
        return
    parts = [f"missing {', '.join(missing)}"] if missing else []
    parts += [f"unexpected {', '.join(unexpected)}"] if unexpected else []
    parts += [f"{name} is {have}, {want} is wanted" for name, want, have in wrong]
    raise TensorMismatchError(
        f"the tensors are not those of the spec: {'; '.join(parts)}",
        missing=missing,
        unexpected=unexpected,
        mismatched=wrong,
    )


def check_copies(document: Document, planned: list[PlannedLayer], dtype: str) -> None:
    """Hold the memory of tied weights, which every layer gets for itself, against the file's size.

    Raises
    ------
    SpecError
        If many layers share one large tensor: a few bytes of the file would take gigabytes.
    """
    size = sum(p.size + sum(s.size for s in p.plan.state.values()) for p in planned)
    needed, allowed = size * np.dtype(dtype).itemsize, max(_COPIES, 8 * document.size)
    if document.aliases and needed > document.size + allowed:
        raise SpecError(
            f"the layers share tensors: apart they would take {needed:,} bytes, the file has "
            f"{document.size:,}",
            location="aliases",
            hint="mmap=True leaves the tensors shared, in the file",
        )


def _shown(what: tuple[str, str, tuple[int, ...]]) -> str:
    role, dtype, shape = what
    return f"{role} {dtype} {list(shape)}"
