"""Create a new plugin: a complete distribution with one part, from ``templates``."""

from __future__ import annotations

import errno
import json
import keyword
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path

import layerkit
from layerkit import fields
from layerkit.discovery.candidates import FIRST_PARTY, KINDS, Kind

_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "LICENSE": "LICENSE",
    ".gitignore": "gitignore",
    ".github/workflows/test.yml": "test.yml",
    "digits.json": "<<kind>>.json",
    "src/<<package>>/__init__.py": "init.py",
    "src/<<package>>/py.typed": "py.typed",
    "src/<<package>>/<<module>>.py": "<<kind>>.py",
    "tests/test_<<module>>.py": "test.py",
}
_FIRST_STEP = (
    "Write your equations in the docstring of `<<module>>.py`, with shapes and a source, then "
    "the code\n   in the same order.",
    "Say in the docstring of `<<module>>.py` what it does, then override the hooks of\n"
    "   `layerkit.Callback` that it needs.",
)
_SEGMENT = re.compile(r"[a-z]([a-z0-9_-]*[a-z0-9])?")
_HOLE = re.compile(r"<<(\w+)>>")
_LONGEST = 64  # characters of a type name, which folders and files are named after
_TAKEN = {*layerkit.__all__, *fields.__all__, "Any"}  # names that templates import


@dataclass(frozen=True)
class Names:
    """The names derived from a type name: acme.spline, acme-spline, acme_spline, spline, Spline."""

    type: str
    dist: str
    package: str
    module: str
    cls: str


@dataclass(frozen=True)
class Scaffold:
    """A new distribution: its names, its folder, and its files relative to the folder."""

    names: Names
    folder: Path
    files: tuple[str, ...]


def names(type_name: str) -> Names:
    """The names derived from a type name; ValueError if it has no prefix or makes invalid names.

    >>> names("acme.spline").package
    'acme_spline'
    """
    prefix, dot, rest = type_name.partition(".")
    if type_name != type_name.lower():
        raise ValueError(
            f"expected a type name in lower case, such as acme.spline, got {type_name!r}"
        )
    if not dot:
        raise ValueError(
            f"{type_name!r} has no prefix: names without one are reserved for layerkit. Add your "
            f"own, such as a project or a nickname: acme.{type_name or 'spline'}"
        )
    for segment in type_name.split("."):
        if not _SEGMENT.fullmatch(segment):
            raise ValueError(
                f"{type_name!r}: each part of the name must start with a letter and consist of "
                f"lower-case letters, digits, '-' and '_', as in acme.spline; {segment!r} does not"
            )
    if prefix == FIRST_PARTY:
        raise ValueError(
            f"{type_name!r}: the prefix 'layerkit' is reserved; use your own, as in acme.{rest}"
        )
    if len(type_name) > _LONGEST:
        raise ValueError(f"{type_name!r:.80}: a type name has at most {_LONGEST} characters")
    package, module = (re.sub(r"[.-]", "_", text) for text in (type_name, rest))
    if keyword.iskeyword(module) or package in sys.stdlib_module_names:
        raise ValueError(f"{type_name!r}: {rest!r} is a name that Python uses; choose another")
    cls = _camel(rest)
    if cls in _TAKEN:  # acme.layer: the class would hide the base class it inherits
        cls = _camel(prefix) + cls
    return Names(type_name, re.sub(r"[-_.]+", "-", type_name), package, module, cls)


def _camel(text: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[._-]+", text))


def scaffold(
    type_name: str, *, out: str | Path = ".", kind: Kind = "layer", author: str | None = None
) -> Scaffold:
    """Create a distribution for a new part in a new folder of ``out``: all of it, or nothing.

    ``acme.spline`` gives ``acme-spline/`` and the package ``acme_spline``; ``author`` is the
    copyright holder, by default "the acme-spline authors". Raises ValueError if an argument is not
    valid, FileExistsError if the folder exists, FileNotFoundError if ``out`` does not.
    """
    if kind not in KINDS:
        raise ValueError(f"expected one of {', '.join(KINDS)} as kind, got {kind!r}")
    named = names(type_name)
    author = f"the {named.dist} authors" if author is None else author.strip()
    if not author or not author.isprintable():
        raise ValueError(f"expected one line of text as author, got {author!r}")
    folder = Path(out) / named.dist
    if not Path(out).is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder to create it in does not exist", str(out))
    if folder.exists() or folder.is_symlink():
        reason = "the folder exists already and is not changed; choose another with --out"
        raise FileExistsError(errno.EEXIST, reason, str(folder))
    made = {
        _filled(target, holes): _filled(_template(_filled(source, holes)), holes)
        for holes in [_holes(named, kind, author)]
        for target, source in _FILES.items()
    }
    _write(folder, made)
    return Scaffold(named, folder, tuple(made))


def _holes(named: Names, kind: Kind, author: str) -> dict[str, str]:
    major, minor = layerkit.__version__.split(".")[:2]
    breaking = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    return {
        "type": named.type,
        "dist": named.dist,
        "package": named.package,
        "module": named.module,
        "class": named.cls,
        "kind": kind,
        "group": KINDS[kind],
        "content": "what it does" if kind == "callback" else "its equations",
        "first_step": _FIRST_STEP[kind == "callback"].replace("<<module>>", named.module),
        "requires": f">={major}.{minor},<{breaking}",
        "author": author,
        "author_toml": json.dumps(author, ensure_ascii=False),
        "year": str(date.today().year),
    }


def _template(name: str) -> str:
    return (files("layerkit.plugintools") / "templates" / f"{name}.tmpl").read_text("utf-8")


def _filled(text: str, holes: dict[str, str]) -> str:
    return _HOLE.sub(lambda found: holes[found[1]], text)


def _write(folder: Path, made: dict[str, str]) -> None:
    """Write all files to a temporary folder next to it, then rename that."""
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, text in made.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8", newline="\n")
        beside.chmod(0o755)  # mkdtemp allows only the owner
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
