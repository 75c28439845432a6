"""``layerkit verify``: every byte of model files against their digests."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from layerkit.cli import console, options
from layerkit.display import printable

__all__ = ["EXAMPLE", "verify"]

EXAMPLE = console.example("layerkit verify *.layerkit", "layerkit verify --selftest model.layerkit")


def verify(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Model files; - for standard input.")
    ],
    *,
    selftest: Annotated[
        bool,
        typer.Option(
            "--selftest", help="Also load each one and compare with the outputs stored in it."
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Check every byte of model files.

    The header and every tensor are held against their SHA-256 digests. All files are looked at; the
    exit code is 1 if any is bad. Without --selftest no plugin is imported, so a file can be
    checked where its layers are not installed.
    """
    from layerkit.cli import failures

    told: list[dict[str, Any]] = []
    for name in models:
        try:
            file_id = _check(name, selftest=selftest)
        except (ValueError, OSError, LookupError) as error:
            told.append({"path": name, "ok": False, "error": failures.describe(error)})
            if not as_json:
                console.note("\n".join(failures.lines(error)))
        else:
            told.append({"path": name, "ok": True, "file_id": file_id})
            if not as_json:
                console.out(f"ok  {file_id}  {printable(name)}")
    if as_json:
        console.emit_json({"files": told})
    if not all(file["ok"] for file in told):
        raise typer.Exit(1)


def _check(name: str, *, selftest: bool) -> str:
    """The file id of a good file; raises what is wrong with a bad one."""
    from layerkit import load
    from layerkit.codec import open_document

    if selftest:
        return load(sys.stdin.buffer if name == "-" else name).file_id or ""
    with open_document(sys.stdin.buffer if name == "-" else name) as document:
        document.verify()
        return document.file_id
