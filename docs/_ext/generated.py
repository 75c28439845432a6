"""Pages generated from the code: a line ``<!-- generated: WHAT -->`` becomes Markdown.

So the reference is always up to date: fields come from the sections of specs, settings from
constructors, error codes from the error classes, and commands from the command line's own objects.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any, get_args

_MARK = re.compile(r"^<!-- generated: ([a-z]+)(?: ([a-z]+))? -->$", re.MULTILINE)


def expand(text: str) -> str:
    """``text`` with every mark replaced by the page it names."""
    return _MARK.sub(lambda m: PAGES[m[1]](*filter(None, [m[2]])), text)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(value: object) -> str:
    return f"`{value}`"


def _json(value: object) -> str:
    import json

    return _code(json.dumps(value))


def _words(annotation: Any) -> str:
    from layerkit.specs.messages import describe_annotation

    return describe_annotation(annotation)


# The spec -----------------------------------------------------------------------------------------


def spec_fields() -> str:
    """Every section of a spec: its fields, their values, defaults and meanings."""
    from layerkit.specs.document import annotation_at
    from layerkit.specs.sections import SECTIONS

    parts = []
    for path, section in SECTIONS.items():
        steps = tuple(path.split(".")) if path else ()
        rows = []
        for name, info in section.model_fields.items():
            required = info.is_required()
            if path == "" and name in ("input", "output", "train"):
                takes = f"an object: [`{name}`](#{name})"
            elif path == "" and name == "layers":
                takes = "a list of objects: [layers](#layers)"
            elif path == "input" and name == "columns":
                takes = "null, or a list of names and of objects: [`input.columns`](#inputcolumns)"
            elif path == "train" and name == "early_stopping":
                takes = "null or an object: [`train.early_stopping`](#trainearly_stopping)"
            else:
                takes = _takes(annotation_at((*steps, name)))
            default = "required" if required else _json(info.default)
            rows.append([_code(name), takes, default, info.description or ""])
        title = _code(path) if path else "Top level"
        table = _table(["field", "takes", "default", "meaning"], rows)
        doc = (section.__doc__ or "").strip()
        parts.append(f"## {title}\n\n{doc}\n\n{table}")
    return "\n".join(parts)


def study_fields(path: str) -> str:
    """The fields of a section of ``study.json``."""
    from layerkit.studies.sections import STUDY_SECTIONS

    fields = STUDY_SECTIONS[path].model_fields
    rows = [
        [_code(name), _takes(one.annotation),
         "required" if one.is_required() else _json(one.default), one.description]
        for name, one in fields.items()
    ]  # fmt: skip
    return _table(["field", "takes", "default", "meaning"], rows)


def _takes(annotation: Any) -> str:
    from layerkit.specs.validate.declare import part_group

    for one in (annotation, *get_args(annotation)):
        group = part_group(one)
        if group is not None:
            null = ", or null" if type(None) in get_args(annotation) else ""
            words = _words(annotation).removesuffix(" or null")
            return f"{words} ([list](../reference/parts.md#{group})){null}"
    return _words(annotation)


# Parts --------------------------------------------------------------------------------------------


def parts(kind: str) -> str:
    """Every installed part of ``kind``: what it computes, its settings and its source."""
    from layerkit.discovery.registry import REGISTRIES

    registry = REGISTRIES[kind]
    found = []
    described: set[str] = set()
    shared: dict[str, list[str]] = {}
    for name in registry.names():
        shared.setdefault(registry[name].__module__, []).append(name)
    for names in shared.values():
        part = registry[names[0]]
        module = inspect.getdoc(importlib.import_module(part.__module__)) or ""
        described.update(names)
        title = ", ".join(_code(n) for n in names)
        body = [f"### {title}\n", _markdown(module)]
        for name in names:
            rows = _settings(registry[name])
            if len(names) > 1:
                summary = (inspect.getdoc(registry[name]) or "").partition("\n")[0]
                body.append(f"- `{name}`: {_prose(summary)}")
                if rows:
                    body.append(f"\n  Settings of `{name}`:\n")
            if rows:
                table = _table(["setting", "takes", "default", "meaning"], rows)
                indent = "  " if len(names) > 1 else ""
                body.append("\n" + "".join(indent + line for line in table.splitlines(True)))
        if len(names) == 1 and not _settings(part):
            body.append("No settings.\n")
        found.append("\n".join(body))
    return "\n\n".join(found)


def _settings(part: Any) -> list[list[str]]:
    from layerkit.cli.explain_topics import parameter_texts
    from layerkit.specs.validate.settings import setting_types

    meanings = parameter_texts(inspect.getdoc(part) or "")
    types = setting_types(part)
    rows = []
    for name, parameter in part.settings().items():
        empty = parameter.default is inspect.Parameter.empty
        default = "required" if empty else _json(parameter.default)
        rows.append([_code(name), _takes(types[name]), default, _prose(meanings.get(name, ""))])
    return rows


def _prose(text: str) -> str:
    return text.replace("``", "`").replace("<", "\\<")


def _markdown(doc: str) -> str:
    """A module's docstring as Markdown: its ``::`` blocks, the equations, become code blocks."""
    out: list[str] = []
    block: list[str] | None = None
    for line in [*doc.splitlines(), "end"]:
        if block is not None:
            if line.startswith("    ") or not line:
                block.append(line)
                continue
            text = inspect.cleandoc("\n".join(block))
            out += ["", "```text", text, "```", ""]
            block = None
        if line.endswith("::"):
            block = []
            out += [] if line == "::" else [_prose(line[:-1])]
        elif line != "end":
            out.append(_prose(line))
    first = out[0].partition(": ")
    if re.fullmatch(r"[\w, \-*]+", first[0]) and first[2]:  # "tanh: y = ..." repeats the heading
        out[0] = first[2][:1].upper() + first[2][1:]
    return "\n".join(out) + "\n"


def data_sets() -> str:
    """Every registered data set."""
    from layerkit.discovery.registry import DATA

    found = []
    for name in DATA.names():
        doc = inspect.getdoc(DATA[name]) or ""
        found.append(f"### `{name}`\n\n{_prose(doc)}\n")
    return "\n".join(found)


# Errors -------------------------------------------------------------------------------------------


def errors() -> str:
    """Every code: the classes that carry it, what they mean and what they hold."""
    from layerkit import errors as module

    tree = re.search(r"^::\n\n(.*?)\n\n\S", inspect.getdoc(module) or "", re.DOTALL | re.MULTILINE)
    classes: dict[str, list[type[Exception]]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            cls = getattr(module, node.name)
            if issubclass(cls, module.LayerkitError):
                classes.setdefault(cls.code, []).append(cls)
    body = ["```text", inspect.cleandoc(tree[1] if tree else ""), "```", ""]
    for code in sorted(classes):
        defined = [(c.__name__, _definition(inspect.getdoc(c) or "")) for c in classes[code]]
        body += [f"## {code}\n", *(f"`{name}`\n: {text}\n" for name, text in defined)]
    return "\n".join(body)


def _definition(doc: str) -> str:
    return "\n  ".join(_prose(doc).splitlines())


# The command line ---------------------------------------------------------------------------------


def commands() -> str:
    """Every command: usage, arguments, options."""
    from typer.main import get_command

    from layerkit.cli.app import app

    root: Any = get_command(app)
    context = root.make_context("layerkit", ["explain"], resilient_parsing=True)
    return "\n".join(_command(root, context, "layerkit"))


def _command(command: Any, context: Any, name: str) -> list[str]:
    children = getattr(command, "commands", {})
    given = [p for p in command.params if not getattr(p, "hidden", False)]
    arguments = [p for p in given if p.param_type_name == "argument"]
    options = [p for p in given if p.param_type_name == "option" and p.name != "help"]
    words = [name, *(["[OPTIONS]"] if options else []), *(_metavar(p) for p in arguments)]
    usage = " ".join([*words, *(["COMMAND ..."] if children else [])])
    out = [f"## `{name}`\n", _help(command.help), f"\n```text\n{usage}\n```\n"]
    if arguments:
        rows = [[_code(_metavar(p)), _help(p.help)] for p in arguments]
        out.append(_table(["argument", "meaning"], rows))
    records = [p.get_help_record(context) for p in options]
    rows = [[_code(flags), _help(meaning)] for flags, meaning in filter(None, records)]
    if rows:
        out.append(_table(["option", "meaning"], rows))
    example = inspect.cleandoc((command.epilog or "").lstrip("\b\n"))
    if example:
        lines = example.partition("\n")[2]
        out.append(f"Examples:\n\n```text\n{inspect.cleandoc(lines)}\n```\n")
    for sub, child in sorted(children.items()):
        if not child.hidden:
            out += _command(child, context, f"{name} {sub}")
    return out


def _metavar(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper()) + ("..." if argument.nargs < 0 else "")


def _help(text: str | None) -> str:
    clean = inspect.cleandoc((text or "").partition("\f")[0])
    return re.sub(r"(?<![\w`-])(--[\w-]+(?:[ =]?[A-Z]+\b)?)", r"`\1`", _prose(clean))


# The conformance kit ------------------------------------------------------------------------------


def checks(kind: str) -> str:
    """The checks for parts of ``kind``, or those that all kinds share: id, reason and remedy."""
    from layerkit.testing import rules_for

    shared = {"declared", "docs", "settings", "global", "import"}  # groups that every kind has
    rows = [
        [_code(rule.id), rule.why, _unmarked(rule.fix)]
        for rule in rules_for("layers" if kind == "all" else kind)
        if (rule.id.partition(".")[0] in shared) == (kind == "all")
    ]
    return _table(["check", "reason", "usual remedy"], rows)


def _unmarked(text: str) -> str:
    """Text that may contain code, safe in a table cell of Markdown."""
    return text if "`" in text else re.sub(r"([*_<])", r"\\\1", text)


PAGES: dict[str, Callable[..., str]] = {
    "checks": checks,
    "commands": commands,
    "data": data_sets,
    "errors": errors,
    "parts": parts,
    "spec": spec_fields,
    "study": study_fields,
}


def _read(app: Any, name: str, source: list[str]) -> None:
    source[0] = expand(source[0])


def _changed(app: Any, env: Any, *_: Any) -> list[str]:
    return [name for name in env.found_docs if "generated:" in env.doc2path(name).read_text("utf8")]


def _escape(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Shapes such as (n, *in) in docstrings are not the start of emphasis."""
    lines[:] = [re.sub(r"(?<=, )\*(?=\w)", r"\\*", line) for line in lines]


def setup(app: Any) -> dict[str, bool]:
    """Expand marks as pages are read, and read the pages that have some at every build."""
    app.connect("source-read", _read)
    app.connect("env-get-outdated", _changed)
    app.connect("autodoc-process-docstring", _escape)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
