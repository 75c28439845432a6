"""``layerkit verify``: check every byte of model files against their digests."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from layerkit.cli import console, failures, files, options
from layerkit.display import printable

EXAMPLE = console.example("layerkit verify *.layerkit", "layerkit verify --selftest model.layerkit")


def verify(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL", help="Model files; - reads stdin.")
    ],
    *,
    selftest: Annotated[
        bool,
        typer.Option("--selftest", help="Also load each model and compare its stored outputs."),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Check every byte of model files.

    Compares the header and every tensor with their SHA-256 digests. Checks all files; exits with 1
    if any is bad. Imports no plugin, except with --selftest.
    """
    results: list[dict[str, Any]] = []
    for name in models:
        try:
            file_id = _check(name, selftest=selftest)
        except (ValueError, OSError, LookupError) as error:
            results.append({"path": name, "ok": False, "error": failures.error_values(error)})
            if not as_json:
                console.err("\n".join(failures.lines(error)))
        else:
            results.append({"path": name, "ok": True, "file_id": file_id})
            if not as_json:
                console.out(f"ok  {file_id}  {printable(name)}")
    if as_json:
        console.emit_json({"files": results})
    if not all(result["ok"] for result in results):
        raise typer.Exit(1)


def _check(name: str, *, selftest: bool) -> str:
    """The file id of a good file; raises what is wrong with a bad one."""
    from layerkit.codec import open_document

    if selftest:
        return files.load_model(name).file_id or ""
    with open_document(sys.stdin.buffer if name == "-" else name) as document:
        document.verify()
        return document.file_id
