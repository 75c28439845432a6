"""Files that are opened, read and closed in one call."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import BinaryIO, Literal, overload

from layerkit.codec.document import Document, LazyTensors, Tensor
from layerkit.codec.limits import Limits
from layerkit.codec.reader import open_document

__all__ = ["inspect_header", "load_tensors"]


def inspect_header(
    source: str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview,
) -> Document:
    """``source`` after steps 1 to 13, closed again: what there is to say without its tensors."""
    with open_document(source) as document:
        return document


@overload
def load_tensors(
    source: str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview,
    *,
    names: Iterable[str] | None = None,
    verify: bool = True,
    mmap: bool = False,
    expected_id: str | None = None,
    limits: Limits | None = None,
) -> dict[str, Tensor]: ...


@overload
def load_tensors(
    source: str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview,
    *,
    names: Iterable[str] | None = None,
    verify: Literal["lazy"],
    mmap: bool = False,
    expected_id: str | None = None,
    limits: Limits | None = None,
) -> LazyTensors: ...


def load_tensors(
    source: str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview,
    *,
    names: Iterable[str] | None = None,
    verify: bool | Literal["lazy"] = True,
    mmap: bool = False,
    expected_id: str | None = None,
    limits: Limits | None = None,
) -> dict[str, Tensor] | LazyTensors:
    """The tensors of a model file by name, whatever its layers are: no plugin is needed.

    Parameters are those of ``open_document`` and ``Document.read``.

    Returns
    -------
    dict of str to ndarray
        Tensors of all roles and aliases; an alias is the same array object as its target. With
        ``verify="lazy"`` a LazyTensors mapping instead.
    """
    with open_document(source, mmap=mmap, expected_id=expected_id, limits=limits) as document:
        return document.read(names, verify=verify)
