"""``plugins why`` for one type, and what ``plugins doctor`` finds in metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.plugins.conftest import Site

PROJECT = """
[project]
name = "acme-edit"

[project.entry-points."layerkit.layers"]
"acme.edit" = "acme_edit:Part"
"acme.fresh" = "acme_fresh:Part"
"""


def findings(site: Site, check: str, allowed: str | None = None) -> list[dict[str, Any]]:
    env = {} if allowed is None else {"LAYERKIT_PLUGINS": allowed}
    done = site.run("plugins", "doctor", "--json", env=env)
    found: list[dict[str, Any]] = done.json["findings"]
    assert done.code == int(any(f["level"] == "problem" for f in found))
    return [f for f in found if f["check"] == check]


def test_why_of_a_good_one(site: Site) -> None:
    site.add("acme-good", {"acme.good": "acme_good:Part"}, requires="layerkit>=0.1,<9")
    done = site.run("plugins", "why", "acme.good")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("acme.good (layers): acme-good 1.0\n")
    for word in (str(site.folder), "acme_good:Part", "requires  layerkit>=0.1,<9", "contract  2"):
        assert word in done.out
    assert "modules   1 (acme_good 1)" in done.out
    assert "recorded  yes\n" in done.out
    assert done.marks == {"acme_good"}


STEERED = """
def feed(self, x, ctx):
    ctx.save(x)
    return x * self.params["w"] if x.sum() > 0 else -x
Part.feed = feed
"""


def test_why_of_one_that_cannot_be_recorded_names_the_line(site: Site) -> None:
    site.add("acme-steered", {"acme.steered": "acme_steered:Part"}, last=STEERED)
    done = site.run("plugins", "why", "acme.steered")
    code = (site.folder / "acme_steered.py").read_text().split("\n")
    line = next(i for i, text in enumerate(code, 1) if "x.sum() > 0" in text)
    assert done.code == 0  # it can be used
    start = (
        f"recorded  no, it runs as it is written: acme_steered.py:{line}: the numbers of an array"
    )
    assert start in done.out
    (reason,) = site.run("plugins", "why", "acme.steered", "--json").json["reasons"]
    assert reason["claims"][0]["import"]["recorded"].startswith("no, it runs as it is written")


def test_why_of_one_whose_example_fails(site: Site) -> None:
    last = "Part.examples = classmethod(lambda cls: [({'scale': 1.0}, None)])"
    site.add("acme-odd", {"acme.odd": "acme_odd:Part"}, last=last)
    done = site.run("plugins", "why", "acme.odd")
    assert done.code == 0
    assert "recorded  not known: its first example raised TypeError" in done.out
    site.add("acme-ends", {"acme.ends": "acme_ends:Part"}, last=STEERED.replace("ctx.save", "exit"))
    assert site.run("plugins", "why", "acme.ends").code == 0


def test_why_of_other_kinds_says_nothing_of_recording(site: Site) -> None:
    assert "recorded" not in site.run("plugins", "why", "adam").out


def test_why_of_a_broken_one_gives_its_traceback_and_what_it_printed(site: Site) -> None:
    first = "import sys\nprint('before')\nprint('oh', file=sys.stderr)\nraise KeyError('x')"
    site.add("acme-broken", {"acme.broken": "acme_broken:Part"}, first=first)
    done = site.run("plugins", "why", "acme.broken")
    assert (done.code, done.err) == (1, "")
    assert "acme.broken (layers) cannot be used: LK-103\n" in done.out
    assert "fix or uninstall acme-broken" in done.out
    assert "    before\n" in done.out
    assert "    oh\n" in done.out
    assert "raise KeyError('x')" in done.out
    assert "importlib" not in done.out  # its frames say nothing
    (reason,) = site.run("plugins", "why", "acme.broken", "--json").json["reasons"]
    assert (reason["usable"], reason["code"]) == (False, "LK-103")
    assert "KeyError" in reason["claims"][0]["import"]["traceback"]


def test_why_of_a_collision_tries_every_claim(site: Site) -> None:
    site.add("acme-one", {"acme.x": "acme_one:Part"})
    site.add("acme-two", {"acme.x": "acme_two:Part"}, first="raise RuntimeError")
    done = site.run("plugins", "why", "acme.x", "--json")
    (reason,) = done.json["reasons"]
    assert (done.code, reason["code"]) == (1, "LK-104")
    assert [claim["distribution"] for claim in reason["claims"]] == ["acme-one", "acme-two"]
    assert [claim["import"]["code"] for claim in reason["claims"]] == [None, "LK-103"]


def test_why_imports_nothing_that_is_not_allowed(site: Site) -> None:
    site.add("acme-one", {"acme.x": "acme_one:Part"})
    done = site.run("plugins", "why", "acme.x", env={"LAYERKIT_PLUGINS": ""})
    assert (done.code, done.marks) == (1, frozenset())
    assert "cannot be used: LK-106" in done.out
    assert "LAYERKIT_PLUGINS does not name it" in done.out


def test_why_of_an_unknown_name_gives_the_nearest(site: Site) -> None:
    done = site.run("plugins", "why", "adm", "--json")
    assert (done.code, done.error["code"]) == (1, "LK-101")
    assert "did you mean 'adam'" in done.error["message"]


def test_why_of_a_name_of_two_kinds_tells_both(site: Site) -> None:
    found = site.run("plugins", "why", "mse", "--json").json["reasons"]
    assert [reason["group"] for reason in found] == ["losses", "metrics"]
    (one,) = site.run("plugins", "why", "mse", "--group", "metrics", "--json").json["reasons"]
    assert one["group"] == "metrics"


def test_an_import_that_never_ends_is_ended(site: Site) -> None:
    site.add("acme-hangs", {"acme.hangs": "acme_hangs:Part"}, first="import time; time.sleep(60)")
    done = site.run("plugins", "why", "acme.hangs", "--limit", "1.5")
    assert done.code == 1
    assert "importing acme_hangs:Part took over 1.5 s" in done.out


def test_an_import_that_kills_its_process_stops_no_other(site: Site) -> None:
    types = {"acme.a": "acme_a:Part", "acme.kills": "acme_kills:Part", "acme.z": "acme_z:Part"}
    site.add("acme-kills", types, first="import os\nif 'kills' in __name__: os._exit(7)")
    done = site.run("plugins", "list", "--check", "--group", "layers", "--json")
    rows = {row["type"]: row for row in done.json["plugins"]}
    assert rows["acme.kills"]["message"].endswith("ended the process with exit code 7")
    assert rows["acme.a"]["status"] == rows["acme.z"]["status"] == "ok"
    assert rows["acme.z"]["seconds"] >= 0  # it was tried


def test_what_c_code_prints_is_caught_too(site: Site) -> None:
    first = "import os; os.write(1, b'from below')"
    site.add("acme-c", {"acme.c": "acme_c:Part"}, first=first)
    done = site.run("plugins", "list", "--check", "--group", "layers", "--json")
    rows = {row["type"]: row for row in done.json["plugins"]}
    assert rows["acme.c"]["printed"] == "from below"


def test_a_healthy_environment(site: Site) -> None:
    site.add("acme-good", {"acme.good": "acme_good:Part"}, requires="layerkit>=0.1")
    done = site.run("plugins", "doctor")
    assert done.code == 0
    assert "0 problems, 0 notices" in done.out


def test_an_editable_install_behind_its_pyproject(site: Site, tmp_path: Path) -> None:
    project = tmp_path / "my project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    site.add(
        "acme-edit",
        {"acme.edit": "acme_edit:Part", "acme.old": "acme_old:Part"},
        editable=project,
    )
    (found,) = findings(site, "stale entry points")
    assert "new: acme.fresh (layerkit.layers); gone: acme.old (layerkit.layers)" in found["message"]
    assert found["fix"] == f"python -m pip install --no-deps -e {project}"
    row = next(
        row
        for row in site.run("plugins", "list", "--json").json["plugins"]
        if row["type"] == "acme.edit"
    )
    assert row["origin"] == f"editable: {project}"
    (project / "pyproject.toml").unlink()
    project.rmdir()
    (found,) = findings(site, "stale entry points")
    assert "which no longer exists" in found["message"]


def test_an_editable_install_that_is_up_to_date(site: Site, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT.replace("Part", " Part"))
    types = {"acme.edit": "acme_edit:Part", "acme.fresh": "acme_fresh:Part"}
    site.add("acme-edit", types, editable=tmp_path)
    assert findings(site, "stale entry points") == []


def test_the_allow_list_is_examined(site: Site) -> None:
    site.add("acme-one", {"acme.x": "acme_one:Part"})
    told = findings(site, "allow-list", "acme-onne")
    assert [(f["level"], f["subject"]) for f in told] == [
        ("problem", "LAYERKIT_PLUGINS"),
        ("notice", "acme-one"),
    ]
    assert "did you mean 'acme-one'?" in told[0]["message"]
    assert findings(site, "allow-list", "acme-one") == []


def test_a_misspelt_group_is_found(site: Site) -> None:
    site.add("acme-odd", entry_points="[layerkit.layer]\nacme.x = acme_odd:Part\n")
    (found,) = findings(site, "entry points")
    assert "'layerkit.layer'; did you mean 'layerkit.layers'" in found["message"]


def test_entry_points_that_cannot_be_read_are_found(site: Site) -> None:
    site.add("acme-bad", entry_points="[layerkit.layers\nacme.x = acme_odd:Part\n")
    (found,) = findings(site, "entry points")
    assert found["subject"] == "acme-bad"


def test_a_bare_name_is_worth_a_notice(site: Site) -> None:
    site.add("acme-parts", {"spline": "acme_spline:Part"})
    (found,) = findings(site, "bare name")
    assert (found["level"], found["fix"]) == ("notice", "its author can rename it to acme.spline")


def test_classes_registered_here_are_listed_and_may_hide_others(site: Site) -> None:
    site.add("acme-good", {"acme.good": "acme_good:Part"})
    code = """
import warnings, layerkit
from acme_good import Part
from layerkit.plugintools.doctor import examine
from layerkit.plugintools.listing import list_types
from layerkit.plugintools.why import why
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    layerkit.register(type("Mine", (Part,), {"type_name": "acme.good"}))
    layerkit.register(type("Mine", (Part,), {"type_name": "acme.mine"}))
for row in list_types("layers"):
    if row.candidate.name.startswith("acme"):
        print(row.candidate.name, row.candidate.dist, row.origin, row.status, row.hidden_by)
print(*[(f.level, f.check) for f in examine().findings])
(reason,) = why("acme.good")
print(reason.used, [claim.trial is None for claim in reason.claims])
"""
    done = site.python(code)
    assert done.err == ""
    assert done.out.splitlines() == [
        "acme.good None in this process ok ",
        f"acme.good acme-good {site.folder} hidden a class registered in this process",
        "acme.mine None in this process ok ",
        "('notice', 'collision')",
        "registered in this process [True, False]",
    ]


def test_the_process_that_asks_is_left_alone(site: Site) -> None:
    site.add("acme-good", {"acme.good": "acme_good:Part"})
    code = (
        "import sys; from layerkit.plugintools.doctor import examine; examine(); "
        "print('acme_good' in sys.modules)"
    )
    done = site.python(code)
    assert done.out == "False\n"
    assert done.marks == {"acme_good"}
