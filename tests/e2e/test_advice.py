"""Every advice that an error gives is followed as it is worded, and leads on.

A case spoils something, reads the advice in the message and does what it says; then the same act
must succeed. The advice may be in the hint or in the message itself. A scan of the source says
which hints no case has brought about.
"""

from __future__ import annotations

import ast
import copy
import gzip
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, LayerkitError, Plan, Shape
from layerkit.core.rows import Rows
from layerkit.datacontract import InputContract
from layerkit.discovery.registry import LAYERS, READERS
from layerkit.runs.folder import RunFolder
from tests.e2e.conftest import PETS, Cli

CODE = Path(layerkit.__file__).parent


class Desk:
    """What a case works on: a spec, data for it, arguments, files in the current folder."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli
        rng = np.random.default_rng(1)
        self.spec: dict[str, Any] = copy.deepcopy(PETS)
        self.spec["output"] = {"column": "kind"}
        self.spec["train"] = {"epochs": 1}
        weight, height = rng.normal(size=(2, 24))
        kinds = [("cat", "dog")[i % 2] for i in range(24)]
        self.data: Any = {"weight": weight, "height": height, "kind": kinds}
        self.options: dict[str, Any] = {}

    @property
    def train(self) -> dict[str, Any]:
        """The recipe."""
        recipe: dict[str, Any] = self.spec["train"]
        return recipe

    def trained(self) -> Any:
        """What training on the desk gives."""
        return layerkit.train(self.spec, data=self.data, **self.options)

    def table(self, name: str, text: str) -> None:
        """Put a file there and let the data be it."""
        Path(name).write_text(text)
        self.data = name


Step = Callable[[Desk], object]


@dataclass(frozen=True)
class Case:
    """One advice: how it comes about, the act that fails, and how it is followed."""

    name: str
    spoil: Step
    follow: Callable[[Desk, str], object]
    act: Step = Desk.trained


CASES: list[Case] = []


def case(
    topic: str, follow: Callable[[Desk, str], object], spoil: Step, act: Step = Desk.trained
) -> None:
    """Add a case on a topic."""
    number = sum(c.name.startswith(f"{topic} ") for c in CASES) + 1
    CASES.append(Case(f"{topic} {number}", spoil, follow, act))


def told(pattern: str, text: str) -> str:
    """What a message advises, by a pattern with one group."""
    found = re.search(pattern, text)
    assert found is not None, f"no {pattern!r} in {text!r}"
    return found.group(1)


def listed(text: str, head: str) -> list[str]:
    """The names that a message lists after ``head``."""
    return told(re.escape(head) + r": ([^\n]*)", text).split(", ")


def meant(text: str) -> str:
    """The word that a message supposes."""
    return told(r"did you mean '([^']+)'", text)


def units(desk: Desk, text: str) -> None:
    desk.spec["layers"][-1]["units"] = int(told(r"units(?::| to) (\d+)", text))


def dense(desk: Desk, text: str) -> None:
    count = int(told(r"put a dense layer with units: (\d+)", text))
    desk.spec["layers"].append({"type": "dense", "units": count})


def with_layers(*layers: dict[str, Any], **sections: Any) -> Step:
    """A spoiler that gives the spec these layers, and sections."""

    def spoil(desk: Desk) -> None:
        desk.spec["layers"] = [dict(layer) for layer in layers]
        for name, fields in sections.items():
            desk.spec[name] = {**desk.spec[name], **fields}

    return spoil


def recipe(**fields: Any) -> Step:
    return lambda desk: desk.train.update(copy.deepcopy(fields))


D5 = {"type": "dense", "units": 5}
D1 = {"type": "dense", "units": 1}

# ---- widths, classes, targets, losses

CHECK = "check classes"
case(CHECK, units, with_layers(D5))
case(CHECK, units, with_layers(D1))
case(CHECK, units, with_layers(D5, train={"loss": "sigmoid_cross_entropy"}))
case(CHECK, dense, with_layers(D5, {"type": "highway"}))


def numbers_as_classes(desk: Desk) -> None:
    desk.data["kind"] = [str(x) for x in np.arange(24) / 7]


def numbers(desk: Desk, text: str) -> None:
    desk.train["loss"] = told(r"loss such as (\w+)", text)
    assert "name output.targets" in text
    desk.spec["output"] = {"targets": ["kind"]}
    desk.spec["layers"][-1]["units"] = 1


case(CHECK, numbers, numbers_as_classes)

FIT = "check fit"
NAMED = {"classes": ["cat", "dog"]}
case(FIT, units, with_layers(D5, output=NAMED))
case(FIT, units, with_layers(D5, output=NAMED, train={"loss": "sigmoid_cross_entropy"}))
case(FIT, dense, with_layers(D5, {"type": "highway"}, output=NAMED))
case(FIT, dense, with_layers(output={"classes": ["cat", "dog", "emu"]}))
case(FIT, units, with_layers(D5, output={"column": None, "targets": ["weight"]},
                             input={"columns": ["height"]}))  # fmt: skip


def answers_per_step(desk: Desk) -> None:
    layers = [{"type": "gru", "units": 2, "sequence": True}]
    desk.spec = {
        "layerkit": 1,
        "input": {"shape": [3, 2]},
        "layers": layers,
        "train": {"epochs": 1},
    }
    rng = np.random.default_rng(0)
    desk.data = rng.normal(size=(12, 3, 2)), [0, 1] * 6


def last_state(desk: Desk, text: str) -> None:
    setting = told(r'a recurrent layer without "(\w+)"', text)
    del desk.spec["layers"][-1][setting]


case("labels", last_state, answers_per_step)


def fractions(desk: Desk) -> None:
    desk.data["kind"] = np.arange(24) / 7


case("classes in", numbers, fractions)


def cross_validated(desk: Desk) -> object:
    return layerkit.cross_validate(desk.spec, data=desk.data, folds=desk.options["folds"])


def fewer_folds(desk: Desk, text: str) -> None:
    assert "ask for fewer folds" in text
    desk.options["folds"] = int(told(r"rows for 40 folds, got (\d+)", text))


case("folds", fewer_folds, lambda desk: desk.options.update(folds=40), cross_validated)


def to_targets(desk: Desk, text: str) -> None:
    assert "name the numbers in output.targets" in text
    desk.spec["output"] = {"targets": ["kind"]}
    desk.spec["layers"][-1]["units"] = 1
    desk.data["kind"] = np.arange(24.0)


case("read recipe", to_targets, recipe(loss="mse"))


def other_loss(desk: Desk, text: str) -> None:
    desk.train["loss"] = told(r"use (\w+) or", text)


def classes_of_numbers(desk: Desk) -> None:
    desk.spec["output"] = {"targets": ["kind", "kind2"]}
    desk.data["kind"] = desk.data["kind2"] = np.arange(24.0)
    desk.train["loss"] = "softmax_cross_entropy"


case("read recipe", other_loss, classes_of_numbers)


def to_classes(desk: Desk, text: str) -> None:
    assert "name their column in output.column, and use no loss for numbers" in text
    desk.spec["output"] = {"column": "kind"}
    desk.spec["layers"][-1]["units"] = 2


def text_as_numbers(desk: Desk) -> None:
    desk.spec["output"] = {"targets": ["kind"]}
    desk.spec["layers"][-1]["units"] = 1


case("no number", to_classes, text_as_numbers)


def without_text(desk: Desk, text: str) -> None:
    assert "input.columns" in text
    desk.spec["input"]["columns"].remove(told(r"column '(\w+)'", text))


def text_column(desk: Desk) -> None:
    desk.spec["input"]["columns"].append("town")
    desk.data["town"] = ["Rome"] * 24


case("no number", without_text, text_column)


def town(desk: Desk, **fields: Any) -> None:
    desk.spec["input"]["columns"][2:] = [{"name": "town", **fields}]


def declare(desk: Desk, text: str) -> None:
    word = told(r"""write {"name": NAME, "categories": "(\w+)"} in input.columns""", text)
    town(desk, categories=word)


def list_towns(desk: Desk, text: str) -> None:
    assert "or list the categories" in text
    town(desk, categories=["Rome"])


def town_learned(desk: Desk) -> None:
    text_column(desk)
    town(desk, categories="learn")


def other_town(desk: Desk) -> None:
    text_column(desk)
    town(desk, categories=["Oslo"])


def take_as_other(desk: Desk, text: str) -> None:
    value = told(r"""set "unknown" of 'town' in input.columns to "(\w+)\"""", text)
    town(desk, categories=["Oslo"], unknown=value)


def no_town(desk: Desk) -> None:
    text_column(desk)
    desk.data["town"][4] = "?"
    town(desk, categories=["Rome"])


def missing_category(desk: Desk, text: str) -> None:
    value = told(r"""set "missing" of 'town' in input.columns to "(\w+)\"""", text)
    town(desk, categories=["Rome"], missing=value)


def dates_learned(desk: Desk) -> None:
    town_learned(desk)
    desk.data["town"] = ["2026-01-01", "2026-02-01"] * 12


def list_dates(desk: Desk, text: str) -> None:
    assert "list them in input.columns" in text
    town(desk, categories=["2026-01-01", "2026-02-01"])


def days_of_dates(desk: Desk, text: str) -> None:
    assert "the days since a fixed day" in text
    desk.spec["input"]["columns"][2:] = ["town"]
    dates = np.array(desk.data["town"], "datetime64[D]")
    desk.data["town"] = (dates - np.datetime64("2026-01-01")).astype(int)


def dates(desk: Desk) -> None:
    dates_learned(desk)
    desk.spec["input"]["columns"][2:] = ["town"]
    desk.data["town"] = np.array(desk.data["town"], "datetime64[D]")


case("no number", declare, text_column)
case("categories", list_towns, town_learned, lambda desk: layerkit.build(desk.spec))
case("categories", take_as_other, other_town)
case("categories", missing_category, no_town)
case("categories", list_dates, dates_learned)
case("categories", days_of_dates, dates_learned)
case("categories", days_of_dates, dates)


def fill(desk: Desk, text: str) -> None:
    desk.spec["input"]["missing"] = told(r'input\.missing \("(\w+)"', text)


def hole(desk: Desk) -> None:
    desk.data["weight"][3] = np.nan


case("no value", fill, hole)


def token_for_gaps(desk: Desk, text: str) -> None:
    assert "give missing values a whole number of their own" in text
    desk.data["weight"][np.isnan(desk.data["weight"])] = 2


def token_gap(desk: Desk) -> None:
    desk.data |= {name: np.arange(24.0) % 2 for name in ("weight", "height")}
    desk.data["weight"][3] = np.nan
    embedding = {"type": "embedding", "size": 3, "units": 2}
    desk.spec["layers"] = [embedding, {"type": "flatten"}, {"type": "dense", "units": 2}]


case("no value", token_for_gaps, token_gap)


def more_vectors(desk: Desk, text: str) -> None:
    desk.spec["layers"][0]["size"] = int(told(r"expected at least (\d+)", text))


def few_vectors(desk: Desk) -> None:
    token_gap(desk)
    desk.data["weight"] = ["abcd"[i % 4] for i in range(24)]
    codes = {"name": "weight", "categories": "learn", "encode": "code"}
    desk.spec["input"]["columns"] = [codes, "height"]


case("categories", more_vectors, few_vectors)


def unbounded(desk: Desk) -> None:
    desk.data["weight"][3] = np.inf


def correct_cell(desk: Desk, text: str) -> None:
    assert "correct the cell or delete the row" in text
    desk.data["weight"][3] = 1.0


case("no value", correct_cell, unbounded)


def shape_three(desk: Desk) -> None:
    desk.spec["input"] = {"shape": [3]}


def list_columns(desk: Desk, text: str) -> None:
    assert "list the columns to use under input.columns" in text
    desk.spec["input"] = {"columns": listed(text, "columns found")}


def change_shape(desk: Desk, text: str) -> None:
    assert "change input.shape" in text
    desk.spec["input"] = {"shape": [int(told(r"the data have (\d+) columns", text))]}


case("column names", list_columns, shape_three)
case("column names", change_shape, shape_three)

# ---- what is looked up by name


def rename(path: str) -> Callable[[Desk, str], object]:
    """Put the word that is meant at ``path`` of the spec."""

    def follow(desk: Desk, text: str) -> None:
        put(desk.spec, path, meant(text))

    return follow


def misspelt(path: str, word: str) -> Step:
    """Put a word that nothing is called at ``path`` of the spec."""

    def spoil(desk: Desk) -> None:
        desk.train["metrics"] = ["accuracy"]
        put(desk.spec, path, word)

    return spoil


def put(tree: Any, path: str, value: object) -> None:
    *steps, last = (int(s) if s.isdecimal() else s for s in path.split("."))
    for step in steps:
        tree = tree[step]
    tree[last] = value


CHOOSE = "choose"
for where, word in {
    "layers.0.type": "dens",
    "layers.0.activation": "tan",
    "train.loss": "softmax_cross_entrop",
    "train.optimizer": "adm",
    "train.schedule": "cosin",
    "train.metrics.0": "acuracy",
}.items():
    case(CHOOSE, rename(where), misspelt(where, word))


def installed(desk: Desk, text: str) -> None:
    desk.spec["layers"][0]["activation"] = listed(text, "installed activations")[-1]


case(CHOOSE, installed, lambda desk: put(desk.spec, "layers.0.activation", "qqq"))


def right_field(desk: Desk, text: str) -> None:
    desk.spec["layers"][0][meant(text)] = desk.spec["layers"][0].pop("unitz")


def wrong_field(desk: Desk) -> None:
    layer = desk.spec["layers"][0]
    layer["unitz"] = layer.pop("units")


case("unknown field", right_field, wrong_field)
case(
    "missing column",
    rename("input.columns.0"),
    lambda desk: put(desk.spec, "input.columns.0", "wieght"),
)
case(
    "missing column",
    lambda desk, text: put(desk.spec, "input.columns.0", listed(text, "columns found")[0]),
    lambda desk: put(desk.spec, "input.columns.0", "qqq"),
)
case(
    "missing column",
    rename("output.column"),
    lambda desk: put(desk.spec, "output.column", "kinds"),
)


def one_column(desk: Desk) -> None:
    desk.table("semi.csv", table().replace(",", ";"))
    desk.spec["input"]["delimiter"] = "|"


def other_delimiter(desk: Desk, text: str) -> None:
    assert "--delimiter" in text
    desk.spec["input"]["delimiter"] = told(r"if '(.)' separates the cells", text)


case("missing column", other_delimiter, one_column)


def with_a_cell(desk: Desk, cell: str) -> None:
    rows = "".join(f"{i},5;{i};{('cat', 'dog')[i % 2]}\n" for i in range(24))
    desk.table("comma.csv", f"weight;height;kind\n{rows}{cell};1;cat\n")
    desk.spec["input"] |= {"delimiter": ";", "decimal": ","}


def as_the_others(desk: Desk, text: str) -> None:
    with_a_cell(desk, "2.5".replace(".", told(r"with '(.)' as the decimal mark", text)))


def say_what_groups(desk: Desk, text: str) -> None:
    desk.spec["input"]["thousands"] = told(r"--thousands '(.)'", text)


case("other decimals", as_the_others, lambda desk: with_a_cell(desk, "2.5"))
case("other decimals", say_what_groups, lambda desk: with_a_cell(desk, "1.234"))


def nameless(desk: Desk) -> None:
    desk.table("bare.csv", "1,2,cat\n2,1,dog\n3,1,cat\n")
    desk.spec["input"]["header"] = False


def add_header(desk: Desk, text: str) -> None:
    assert "add a first line with the names of the columns" in text
    desk.table("bare.csv", "weight,height,kind\n" + Path("bare.csv").read_text())
    desk.spec["input"]["header"] = True


case("missing column", add_header, nameless)


def label_by_name(desk: Desk, text: str) -> None:
    desk.spec["output"] = {"column": listed(text, "columns found")[-1]}


case("labels of", label_by_name, lambda desk: put(desk.spec, "output", {}))


def label_misspelt(desk: Desk) -> None:
    desk.spec["output"]["classes"] = ["cat", "dgo"]


def spell_class(desk: Desk, text: str) -> None:
    desk.spec["output"]["classes"][listed(text, "classes").index(meant(text))] = told(
        r"classes, got '(\w+)'", text
    )


case("no class", spell_class, label_misspelt)


def dates_as_labels(desk: Desk) -> None:
    desk.data["kind"] = np.array(["2020-01-01", "2021-01-01"] * 12, "datetime64[D]")


def labels_as_text(desk: Desk, text: str) -> None:
    desk.data["kind"] = getattr(desk.data["kind"], told(r"labels\.(\w+)\(str\)", text))(str)


case("one a row", labels_as_text, dates_as_labels)

# ---- splits, early stopping, weights

STOP = "post init"


def keep_validation(desk: Desk, text: str) -> None:
    desk.train["validation"] = float(told(r"set train\.validation \(([\d.]+), say\)", text))


case(STOP, keep_validation, recipe(early_stopping={}))


def watched(desk: Desk, text: str) -> None:
    desk.train["early_stopping"]["metric"] = told(r"one of (\w+)", text)


case("early stopping", watched, recipe(early_stopping={"metric": "f1"}, validation=0.2))


def by_column(desk: Desk) -> None:
    desk.data["part"] = ["new" if i > 20 else "old" for i in range(24)]
    desk.train["test"] = {"column": "part", "values": ["now"]}


SPLIT = "split by column"
case(SPLIT, rename("train.test.values.0"), by_column)
case(
    SPLIT,
    lambda desk, text: put(desk.spec, "train.test.values", listed(text, "values there")[:1]),
    by_column,
)


def all_of_dogs(desk: Desk) -> None:
    desk.train["test"] = {"column": "part", "values": ["new"]}
    desk.data["part"] = ["new" if i % 2 or i < 3 else "old" for i in range(24)]
    desk.data["kind"][2] = "emu"
    desk.spec["layers"][-1]["units"] = 3


def name_classes(desk: Desk, text: str) -> None:
    assert "name every class in output.classes" in text
    lost = re.findall(r"'(\w+)'", told(r"class(.*) are test rows", text))
    desk.spec["output"]["classes"] = ["cat", *lost]


def other_rows(desk: Desk, text: str) -> None:
    assert "leave some for training: choose other test rows" in text
    desk.data["part"] = ["new" if i > 20 else "old" for i in range(24)]


case("refuse unlearned", name_classes, all_of_dogs)
case("refuse unlearned", other_rows, all_of_dogs)


def lone_rows(desk: Desk) -> None:
    desk.data = {key: column[:2] for key, column in desk.data.items()}
    desk.train["test"] = 0.5


def no_test(desk: Desk, text: str) -> None:
    for key in re.findall(r"train\.(\w+)", told(r"set (.*) to 0", text)):
        desk.train[key] = 0


def more_rows(desk: Desk, text: str) -> None:
    assert "give more rows of each class" in text
    desk.data = {key: [*column, *column] for key, column in desk.data.items()}


case("split rows", no_test, lone_rows)
case("split rows", more_rows, lone_rows)


def judged(desk: Desk) -> object:
    spec = layerkit.build(desk.spec).spec
    from layerkit.training.training_data import judged_rows

    return judged_rows(spec, **desk.options)


def in_file(desk: Desk) -> None:
    desk.table("own.csv", table())
    desk.train["data"] = "own.csv"
    desk.data = None


def table() -> str:
    lines = [f"{i},{i * i % 7},{('cat', 'dog')[i % 2]}" for i in range(24)]
    return "\n".join(["weight,height,kind", *lines]) + "\n"


JUDGED = "judged rows"


def some_test(desk: Desk, text: str) -> None:
    desk.train["test"] = float(told(r"train\.test[ =]\(?([\d.]+)", text))


case(JUDGED, some_test, in_file, judged)
case(JUDGED, lambda desk, text: desk.options.update(split=told(r"the split '(\w+)'", text)),
     in_file, judged)  # fmt: skip
case(JUDGED, lambda desk, text: desk.options.update(data="own.csv"), in_file, judged)

# ---- scales, missing values, data by name


def fitted(desk: Desk) -> object:
    rows = Rows(np.array([[1.0], [np.nan], [3.0]]))
    fields: Any = {"scale": None, "missing": 0.0, **desk.options}
    return InputContract.fit(rows, shape=(1,), **fields)


case(
    "fit scaler",
    lambda desk, text: desk.options.update(scale=told(r'use "(\w+)"', text)),
    lambda desk: desk.options.update(scale="z"),
    fitted,
)
case(
    "fit fill",
    lambda desk, text: desk.options.update(missing=told(r'"(median)"', text)),
    lambda desk: desk.options.update(missing="mode"),
    fitted,
)


def nowhere(desk: Desk) -> None:
    desk.data = None
    desk.table("own.csv", table())
    desk.data = None


def by_option(desk: Desk, text: str) -> None:
    assert "--data PATH" in text
    desk.data = "own.csv"


def by_recipe(desk: Desk, text: str) -> None:
    name = told(r'set train\.data in the spec \(for example "(\w+)"\)', text)
    desk.spec["input"] = {"shape": [64]}
    desk.spec["layers"] = [{"type": "dense", "units": 10}]
    desk.spec["output"] = {}
    desk.train["data"] = name


case("load data", by_option, nowhere)
case("load data", by_recipe, nowhere)


def misnamed(desk: Desk) -> None:
    nowhere(desk)
    desk.train["data"] = "owm.csv"


def unknown(desk: Desk) -> None:
    nowhere(desk)
    desk.train["data"] = "digts"


case("unknown", by_option, misnamed)
case("unknown", by_option, unknown)

# ---- models: training, going on, judging, comparing


def built(desk: Desk) -> None:
    in_file(desk)
    desk.options["model"] = layerkit.build(desk.spec)
    layerkit.save(desk.options["model"], "net.layerkit")


def classified(desk: Desk) -> object:
    return layerkit.load("net.layerkit").classify({"weight": [1.0], "height": [2.0]})


def run_line(desk: Desk, text: str) -> None:
    """Run the command that a message prints, with the names of this case."""
    line = told(r"(layerkit train .*)", text)
    line = line.replace("MODEL", "net.layerkit").replace("PATH", "own.csv")
    words = shlex.split(line)[1:]
    done = desk.cli(
        *words, "-o", "net.layerkit", *([] if "--data" in words else ["--data", "own.csv"])
    )
    assert done.code == 0, done.err


case("linked", run_line, built, classified)


def read(desk: Desk) -> object:
    """The model on the desk, gone on with or, once it was trained on from its weights, loaded."""
    if desk.options.get("trained"):
        return layerkit.load("net.layerkit").classify({"weight": [1.0], "height": [2.0]})
    return layerkit.resume("net.layerkit", data="own.csv", epochs=desk.options.get("epochs"))


def train_on(desk: Desk, text: str) -> None:
    run_line(desk, text)
    desk.options["trained"] = True


def deployed(desk: Desk) -> None:
    half(desk)
    assert desk.cli("deploy", "net.layerkit", "-o", "net.layerkit").code == 0


def half(desk: Desk, **train: Any) -> None:
    in_file(desk)
    desk.train.update({"epochs": 2, **train})
    layerkit.save(layerkit.train(desk.spec).model, "net.layerkit")


STATE = "read state"
case(STATE, train_on, deployed, read)


def others(desk: Desk) -> None:
    half(desk)
    desk.options["epochs"] = 3
    Path("same.csv").write_text(Path("own.csv").read_text())
    Path("own.csv").write_text(table().replace("1,1,dog", "1,9,dog"))


def same_rows(desk: Desk, text: str) -> None:
    assert "give the same data" in text
    Path("same.csv").replace("own.csv")


case(STATE, same_rows, others, read)
case(STATE, train_on, others, read)


def no_more(desk: Desk) -> None:
    half(desk)
    desk.options["epochs"] = 2


def more_epochs(desk: Desk, text: str) -> None:
    desk.options["epochs"] = int(told(r"a new total above (\d+)", text)) + 1


case("resume", more_epochs, no_more, read)


def shorter(desk: Desk) -> None:
    half(desk, schedule="cosine")


def gone_on(desk: Desk) -> None:
    words = ["resume", "net.layerkit", "--data", "own.csv", "--epochs", 4]
    passed(desk.cli(*words, *desk.options.get("words", [])))


class CommandError(LayerkitError):
    """What a command said."""


def passed(done: Any) -> None:
    if done.code:
        raise CommandError(done.err)


def chosen(choice: str) -> Callable[[Desk, str], object]:
    """Go on with the schedule as ``choice`` says."""
    return lambda desk, text: desk.options.update(
        words=told(rf"(--schedule {choice})", text).split()
    )


case("schedule", chosen("continue"), shorter, gone_on)
case("schedule", chosen("restart"), shorter, gone_on)


def evaluated(desk: Desk) -> None:
    words = desk.options.get("words", ["--split", "test"])
    passed(desk.cli("eval", "net.layerkit", "--data", "own.csv", *words))


case(
    "rows",
    lambda desk, text: desk.options.update(words=told(r"(--split \w+)", text).split()),
    half,
    evaluated,
)


def two_specs(*recipes: dict[str, Any]) -> Step:
    def spoil(desk: Desk) -> None:
        in_file(desk)
        for i, fields in enumerate(recipes):
            spec = {**desk.spec, "name": f"n{i}", "train": {**desk.train, **fields}}
            Path(f"n{i}.json").write_text(json.dumps(spec))

    return spoil


def compared(desk: Desk) -> None:
    words = desk.options.get("words", [])
    passed(desk.cli("compare", "n0.json", "n1.json", "--seeds", 1, "--no-timing", *words))


def set_words(pattern: str) -> Callable[[Desk, str], object]:
    def follow(desk: Desk, text: str) -> None:
        line = told(pattern, text).replace("PATH", "own.csv")
        desk.options["words"] = [*desk.options.get("words", []), *line.split()]

    return follow


POSE = "pose"
case(POSE, set_words(r"(--set train\.test=[\d.]+)"), two_specs({}, {}), compared)
case(
    "one",
    set_words(r"(--set train\.test=[\d.]+)"),
    two_specs({"test": 0.2}, {"test": 0.3}),
    compared,
)
case(
    "splits",
    set_words(r"(--data PATH)"),
    two_specs({"data": "own.csv", "test": 0.2}, {"data": "digits", "test": 0.2}),
    compared,
)


def on_validation(desk: Desk) -> None:
    two_specs({}, {})(desk)
    desk.options["words"] = ["--on", "validation"]


def set_validation(desk: Desk, text: str) -> None:
    share = told(r"set train\.validation \(([\d.]+), say\)", text)
    desk.options["words"] += ["--set", f"train.validation={share}"]


case("check validation", set_validation, on_validation, compared)


def judge_models(desk: Desk) -> None:
    names = desk.options.get("names", ["net.layerkit", "net.layerkit"])
    words = desk.options.get("words", [])
    passed(desk.cli("compare", *names, "--seeds", 1, "--no-timing", *words))


def model_on_validation(desk: Desk) -> None:
    half(desk, validation=0.2, test=0.2)
    Path("net.json").write_text(json.dumps(desk.spec))
    desk.options["words"] = ["--on", "validation"]


def on_test(desk: Desk, text: str) -> None:
    assert "compare on the test rows" in text
    desk.options["words"] = ["--on", "test"]


def its_spec(desk: Desk, text: str) -> None:
    assert "give its spec" in text
    desk.options["names"] = ["net.json"]


VALID = "check validation"
case(VALID, on_test, model_on_validation, judge_models)
case(VALID, its_spec, model_on_validation, judge_models)


def untrained_judged(desk: Desk) -> None:
    built(desk)
    desk.options["words"] = ["--split", "all"]


case("encode targets", train_on, untrained_judged, evaluated)


def too_hot(desk: Desk) -> None:
    desk.spec["input"]["scale"] = None
    desk.data["weight"] = desk.data["weight"] * 1e30
    desk.spec["output"] = {"targets": ["height"]}
    desk.spec["input"]["columns"] = ["weight"]
    desk.spec["layers"] = [{"type": "dense", "units": 1}]
    desk.train.update(loss="mse", optimizer={"type": "sgd", "learning_rate": 0.01}, epochs=3)


def calmer(desk: Desk, text: str) -> None:
    assert "lower train.optimizer.learning_rate" in text
    desk.train["optimizer"]["learning_rate"] = 1e-3


def clipped(desk: Desk, text: str) -> None:
    desk.train["clip_norm"] = float(told(r"set train\.clip_norm \(([\d.]+), say\)", text))


def smaller(desk: Desk, text: str) -> None:
    desk.spec["input"]["scale"] = told(r'input\.scale: "(\w+)"', text)


LOOP = "epoch"
case(LOOP, smaller, too_hot)


def steep(desk: Desk) -> None:
    too_hot(desk)
    desk.data["weight"] = desk.data["weight"] / 1e30
    desk.train.update(epochs=80, optimizer={"type": "sgd", "learning_rate": 1e3})


case(LOOP, clipped, steep)
case(LOOP, calmer, steep)


def exploding(desk: Desk) -> None:
    steep(desk)
    desk.train.update(epochs=1, optimizer={"type": "sgd", "learning_rate": 1e39})


case(LOOP, calmer, exploding)


def a_view(desk: Desk) -> None:
    desk.spec["layers"][0] = {"type": "highway"}
    model = desk.trained().model
    desk.options = {"whole": model, "model": model.without(["highway_1"])}


def the_whole_model(desk: Desk, text: str) -> None:
    assert "take the model that it was made from" in text
    desk.options["model"] = desk.options["whole"]


def left_out_of_its_spec(desk: Desk, text: str) -> None:
    assert text.endswith("leave the layers out of its spec")
    document = desk.options["whole"].spec.to_document()
    document["layers"] = document["layers"][1:]
    desk.options["model"] = layerkit.train(document, data=desk.data).model


def model_saved(desk: Desk) -> object:
    return layerkit.save(desk.options["model"], "view.layerkit")


for follow_view in (the_whole_model, left_out_of_its_spec):
    case("a view", follow_view, a_view, model_saved)


# ---- files and tables


def rows_of(desk: Desk) -> object:
    return layerkit.read_rows(desk.options.get("name", "f.csv"), **desk.options.get("how", {}))


def holds(name: str, content: str | bytes, **how: object) -> Step:
    def spoil(desk: Desk) -> None:
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        desk.options.update(name=name, how=how)

    return spoil


def how(**fields: object) -> Callable[[Desk, str], object]:
    return lambda desk, text: desk.options.update(how=fields)


def rewritten(old: str, new: str) -> Callable[[Desk, str], object]:
    def follow(desk: Desk, text: str) -> None:
        path = Path(desk.options["name"])
        path.write_text(path.read_bytes().decode("latin-1").replace(old, new), "utf-8")

    return follow


def case_of_text(site: str, words: str, follow: Callable[[Desk, str], object], spoil: Step) -> None:
    """A case whose advice is no more than ``words``, which the message must hold."""

    def checked(desk: Desk, text: str) -> None:
        assert words in text
        follow(desk, text)

    case(site, checked, spoil, rows_of)


case_of_text("format of", "expected the format csv, ", how(format="csv"),
             holds("f.csv", "a\n1\n", format="xls"))  # fmt: skip
case_of_text("format of", "such as csv.gz", how(format="csv.gz"),
             holds("f", gzip.compress(b"a\n1\n"), format="gz"))  # fmt: skip
case("format of", lambda desk, text: desk.options.update(how={"format": meant(text)}),
     holds("f.csv", "a\n1\n", format="cvs"), rows_of)  # fmt: skip
case_of_text("parsed", "expected one JSON object or array per line",
             rewritten("{'a': 1}", '{"a": 1}'), holds("f.jsonl", "{'a': 1}\n"))  # fmt: skip


def whole_parquet() -> bytes:
    part = READERS.create("parquet").example()
    assert part is not None
    return bytes(part[0])


case_of_text("registered blocks", "copy or download the file again",
             lambda desk, text: Path("f.parquet").write_bytes(whole_parquet()),
             holds("f.parquet", b"PAR1"))  # fmt: skip


def in_folder(desk: Desk) -> None:
    Path("d").mkdir(exist_ok=True)
    Path("d/f.csv").write_text("a\n1\n")
    desk.options.update(name="d")


case_of_text("file bytes", "name a file in it",
             lambda desk, text: desk.options.update(name="d/f.csv"), in_folder)  # fmt: skip


def saved(**arrays: object) -> Step:
    def spoil(desk: Desk) -> None:
        np.savez("f.npz", **arrays)  # type: ignore[arg-type]
        desk.options.update(name="f.npz", how=desk.options.get("how", {}))

    return spoil


X, Y = np.ones((3, 2)), np.arange(3)
case_of_text("read npz", "name one array x, X, rows or features",
             lambda desk, text: saved(x=X, y=Y)(desk), saved(p=X, q=Y))  # fmt: skip


def wrong_key(desk: Desk) -> None:
    saved(x=X, y=Y)(desk)
    desk.options["how"] = {"labels": "kind"}


case(
    "read npz",
    lambda desk, text: desk.options.update(how={"labels": listed(text, "keys there")[-1]}),
    wrong_key,
    rows_of,
)


def objects(desk: Desk) -> None:
    np.save("f.npy", np.array([[1.0, None]], object), allow_pickle=True)
    desk.options.update(name="f.npy")


def as_floats(desk: Desk, text: str) -> None:
    assert "array.astype(float)" in text
    np.save("f.npy", np.array([[1.0, None]], object).astype(float))


case("damaged", as_floats, objects, rows_of)


def cut(desk: Desk) -> None:
    np.save("f.npy", X)
    Path("f.npy").write_bytes(Path("f.npy").read_bytes()[:-3])
    desk.options.update(name="f.npy")


case_of_text("damaged", "copy or write the file again",
             lambda desk, text: np.save("f.npy", X), cut)  # fmt: skip


def predicted(desk: Desk) -> object:
    model = desk.options.get("net") or layerkit.train(desk.spec, data=desk.data).model
    desk.options["net"] = model
    return model.predict(desk.options["rows"])


def given(rows: object) -> Step:
    return lambda desk: desk.options.update(rows=rows)


def first_shape(desk: Desk, text: str) -> None:
    assert "rows first" in text
    desk.options["rows"] = np.ones((2, 5)).T


case("numbers", first_shape, given(np.ones((2, 5))), predicted)


def bare_rows(desk: Desk) -> None:
    Path("bare.csv").write_text("1,2,0\n2,1,1\n")
    desk.options["rows"] = layerkit.read_rows("bare.csv", header=False)


def name_label(desk: Desk, text: str) -> None:
    assert "name the label column with --label" in text
    assert "in Python: labels=" in text
    desk.options["rows"] = layerkit.read_rows("bare.csv", header=False, labels=2)


case("numbers", name_label, bare_rows, predicted)


def flipped(desk: Desk) -> None:
    half(desk)
    raw = Path("net.layerkit").read_bytes()
    Path("whole.layerkit").write_bytes(raw)
    Path("net.layerkit").write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))


def copy_again(desk: Desk, text: str) -> None:
    assert "copy or download the file again" in text
    Path("whole.layerkit").replace("net.layerkit")


case("check digest", copy_again, flipped, lambda desk: passed(desk.cli("verify", "net.layerkit")))


def by_position(desk: Desk) -> None:
    desk.spec["input"] = {"shape": [2]}
    x = np.stack([desk.data["weight"], desk.data["height"]], 1)
    desk.data = (x, desk.data["kind"])
    desk.options["rows"] = {"a": [1.0], "b": [2.0], "kind": ["cat"]}


def leave_out(desk: Desk, text: str) -> None:
    assert "leave out the others" in text
    keep = listed(text, "columns found")[:2]
    desk.options["rows"] = {name: desk.options["rows"][name] for name in keep}


case("by column", leave_out, by_position, predicted)


class Sparse:
    def toarray(self) -> Any:
        return np.ones((1, 2))


class Unreadable:
    """A table of another library, of a query that fails."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise ValueError("no such table")


def as_numbers(desk: Desk, text: str) -> None:
    assert "a NumPy array" in text
    desk.options["rows"] = np.ones((1, 2))


case("library errors", as_numbers, given(Unreadable()), predicted)


def call(desk: Desk, text: str) -> None:
    desk.options["rows"] = getattr(desk.options["rows"], told(r"call \.(\w+)\(\) first", text))()


case("as array", call, given(Sparse()), predicted)


def read_first(desk: Desk, text: str) -> None:
    Path("f.csv").write_text("weight,height\n1,2\n")
    desk.options["rows"] = getattr(layerkit, told(r"layerkit\.(\w+)\(path\)", text))("f.csv")


case("as array", read_first, given("f.csv"), predicted)


def as_columns(desk: Desk, text: str) -> None:
    assert "one column per number" in text
    desk.options["rows"] = {"weight": [1.0], "height": [2.0]}


case("of columns", as_columns,
     given({"weight": np.ones((1, 2)), "height": [2.0]}), predicted)  # fmt: skip


def outside(desk: Desk) -> None:
    half(desk)
    Path("rows.csv").write_text("weight,height\n1000,2\n")
    desk.options["words"] = ["--outside", "error"]


def inferred(desk: Desk) -> None:
    passed(desk.cli("infer", "net.layerkit", "rows.csv", *desk.options["words"]))


case(
    "refusal",
    lambda desk, text: desk.options.update(words=told(r"(--outside \w+)", text).split()),
    outside,
    inferred,
)


def clash(desk: Desk) -> None:
    Path("f.csv").write_text("a;b\n1,5;2\n")
    desk.options.update(how={"decimal": ",", "delimiter": ","})


case("check together", lambda desk, text: desk.options["how"].pop(
    told(r"cannot be both (\w+) and", text)), clash, rows_of)  # fmt: skip


def one_each(desk: Desk, text: str) -> None:
    assert "one number or text per key" in text
    desk.options["rows"] = [{"weight": 1.0, "height": 2.0}]


case("record", one_each, given([{"weight": [1, 2], "height": 2.0}]), predicted)

# ---- tables that cannot be read as they are


def told_and_file(words: str, name: str, content: str, new: str) -> None:
    """A case of a file that is written as the message says."""
    case_of_text("file", words, lambda desk, text: holds(name, new)(desk), holds(name, content))


told_and_file("like this", "f.csv", "a,b\n1,2\n1,2,x\n", 'a,b\n1,2\n1,"2,x"\n')
told_and_file("remove it here", "f.csv", "a,b\n1,2\n1,2,\n", "a,b\n1,2\n1,2\n")
told_and_file("complete the line", "f.csv", "a,b\n1,2\n1\n", "a,b\n1,2\n1,2\n")
told_and_file("delete it", "f.csv", "Table of rows\na,b\n1,2\n", "a,b\n1,2\n")
told_and_file('"like ""this"""', "f.csv", 'a,b\n1,"x"y"\n', 'a,b\n1,"x""y"\n')
told_and_file(
    "separate the cells by commas, semicolons or tabs", "f.csv", "1 2\n3 4\n", "1;2\n3;4\n"
)
told_and_file("rename one", "f.csv", "a,a\n1,2\n", "a,b\n1,2\n")
told_and_file("one array of them", "f.json", '[{"a": 1},\n {"a": 2}\n', '[{"a": 1},\n {"a": 2}]\n')
case_of_text("comment", "comment='//'", how(comment="//"),
             holds("f.csv", "a,b\n1,2\n// one, two, three\n"))  # fmt: skip
case_of_text("quote", "quote=''", how(quote=""), holds("f.csv", 'a,b\n1,"x\n2,y\n'))
PACKED = gzip.compress(b"a\n1\n")
case_of_text("gzip", "unpack or download it again",
             lambda desk, text: Path("f.csv.gz").write_bytes(PACKED),
             holds("f.csv.gz", "a\n1\n"))  # fmt: skip
case_of_text("gzip", "copy or download the file again",
             lambda desk, text: Path("f.csv.gz").write_bytes(PACKED),
             holds("f.csv.gz", PACKED[:-6]))  # fmt: skip


def to_csv(desk: Desk, text: str) -> None:
    holds("f.csv", "a\n1\n")(desk)


case_of_text("format", "convert it, for instance to CSV", to_csv, holds("f.xlsx", "PK"))
case_of_text("format", "web page: the download failed", to_csv, holds("f.csv", "<html>"))


def a_position(desk: Desk, text: str) -> None:
    there = listed(text, "columns found")
    desk.options["how"] = {"labels": there[-1]}


case("position", a_position, holds("f.csv", "a,b\n1,2\n", labels=7), rows_of)


def odd_keys(desk: Desk) -> None:
    nowhere(desk)
    desk.data = {"paht": "own.csv"}


def loaded(desk: Desk) -> object:
    return layerkit.load_data(desk.data)


def right_key(desk: Desk, text: str) -> None:
    desk.data = {meant(text): "own.csv"}


case("keys", right_key, odd_keys, loaded)


def bare_folder(desk: Desk) -> None:
    Path("d").mkdir(exist_ok=True)
    desk.data = "d"


def looked_for(desk: Desk, text: str) -> None:
    assert "train and test with" in text
    Path("d/train.csv").write_text(table())


case("folder", looked_for, bare_folder)


def twice(desk: Desk) -> None:
    import pandas as pd

    desk.options["rows"] = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["weight", "height", "height"])


def drop_one(desk: Desk, text: str) -> None:
    assert "rename one or drop it" in text
    desk.options["rows"] = desk.options["rows"].iloc[:, :2]


case("name twice", drop_one, twice, predicted)


def a_form(desk: Desk, text: str) -> None:
    assert "a mapping" in text
    desk.options["rows"] = {"weight": [1.0], "height": [2.0]}


class Odd:
    def __array__(self, *given: object, **fields: object) -> Any:
        raise OSError("no array")


case("form", a_form, given(Odd()), predicted)
case("form", a_form, given(object()), predicted)

# ---- files that are not there


def built_at(desk: Desk) -> None:
    Path("net.json").write_text(json.dumps(desk.spec))
    passed(desk.cli("build", "net.json", "-o", "deep/er/net.layerkit"))


def make_folder(desk: Desk, text: str) -> None:
    Path(told(r"mkdir -p (\S+)", text)).mkdir(parents=True)


case("no folder", make_folder, lambda desk: None, built_at)


def a_pipe(desk: Desk) -> None:
    half(desk)
    os.mkfifo("rows.csv")


def inferred_from(desk: Desk) -> None:
    given = desk.options.get("from", "rows.csv")
    stdin = b"weight,height\n1,2\n" if given == "-" else b""
    passed(desk.cli("infer", "net.layerkit", given, stdin=stdin))


case(
    "pipe",
    lambda desk, text: desk.options.update({"from": told(r"(-) reads standard input", text)}),
    a_pipe,
    inferred_from,
)


def left_checkpoint(desk: Desk) -> None:
    half(desk)
    Path("net.layerkit").rename("net-checkpoint.layerkit")


def go_on(desk: Desk, text: str) -> None:
    words = told(r"layerkit (resume \S+)", text).split()
    passed(desk.cli(*words, "--data", "own.csv", "--epochs", 3))


def trained_there(*words: str) -> Step:
    """A trained net.layerkit, and a command that would replace it by a model of another spec."""

    def spoil(desk: Desk) -> None:
        half(desk)
        Path("net.json").write_text(json.dumps({**desk.spec, "name": "net"}))
        desk.options["words"] = [*words, "net.json"]

    return spoil


def run(desk: Desk) -> None:
    passed(desk.cli(*desk.options["words"]))


def elsewhere(desk: Desk, text: str) -> None:
    desk.options["words"] += [told(r"save elsewhere with (-o) FILE", text), "other.layerkit"]


def replaced(desk: Desk, text: str) -> None:
    desk.options["words"].append(told(r"replace it with (--replace)", text))


def named(desk: Desk, text: str) -> None:
    desk.options["words"] += [told(r"replace it by naming it with (-o)", text), "net.layerkit"]


TRAINED = trained_there("train", "-q", "--data", "own.csv", "--set", "layers=[]")
BUILT = trained_there("build")
case("of another spec", elsewhere, TRAINED, run)
case("of another spec", replaced, TRAINED, run)
case("untrained", elsewhere, BUILT, run)
case("untrained", named, BUILT, run)


def seen(desk: Desk) -> None:
    passed(desk.cli("inspect", "net.layerkit"))


case("checkpoint", go_on, left_checkpoint, seen)


def ready(name: str, pattern: str) -> None:
    """A case of a spec that is called ``name``, and by what the message says instead."""

    def call(desk: Desk) -> None:
        desk.options["spec"] = name

    def call_as_told(desk: Desk, text: str) -> None:
        desk.options["spec"] = told(pattern, text)

    case("ready", call_as_told, call, lambda desk: layerkit.build(desk.options["spec"]))


ready("models/highway-digits.json", r"(\S+) is a ready spec")
ready("highway-digit", r"did you mean '(\S+)'")

case_of_text("header", "header=False", how(header=False), holds("f.csv", "a,b\n"))
case_of_text("header", "header=False", how(header=False), holds("f.csv", "a,a\n1,2\n"))
case_of_text("encoding", "encoding= (latin-1", how(encoding="latin-1"),
             holds("f.csv", "h\xf6he,b\n1,2\n".encode("latin-1")))  # fmt: skip
case_of_text("encoding", "--encoding utf-16", how(encoding="utf-16"),
             holds("f.csv", "a,b\n1,2\n".encode("utf-16-le")))  # fmt: skip

# ---- the spec that a table starts from


def begun(desk: Desk) -> None:
    desk.spec = layerkit.spec_init(desk.data, **desk.options)


def column(name: str, cells: Callable[[int], object]) -> Step:
    """Put a column into the table whose cells are given by the row."""

    def spoil(desk: Desk) -> None:
        desk.data[name] = [cells(i) for i in range(24)]

    return spoil


def advised(pattern: str, then: Step) -> Callable[[Desk, str], object]:
    """Do ``then``, which the message tells in words that match ``pattern``."""

    def follow(desk: Desk, text: str) -> None:
        told(pattern, text)
        then(desk)

    return follow


def how_begun(**options: Any) -> Step:
    """The options of ``spec_init``."""
    return lambda desk: desk.options.update(options)


def another(data: Any) -> Step:
    """Another table, a copy for each desk, which may change it."""
    return lambda desk: setattr(desk, "data", copy.deepcopy(data))


case("target", lambda desk, text: desk.options.update(target=listed(text, "columns found")[-1]),
     how_begun(target="species"), begun)  # fmt: skip
case("target", advised("(fill in these cells)", column("kind", lambda i: "cd"[i % 2])),
     column("kind", lambda i: "cd "[i % 3]), begun)  # fmt: skip
case("target", advised("(--target NAME)", how_begun(target="weight")),
     column("kind", lambda i: "cat"), begun)  # fmt: skip
case("target", advised("(--target NAME)", how_begun(target="weight")),
     column("kind", lambda i: f"cat {i}"), begun)  # fmt: skip
case("target", advised("(the days since a fixed day)", column("kind", lambda i: 19000 + i)),
     column("kind", lambda i: f"2024-01-{i + 1:02}"), begun)  # fmt: skip
case("target", advised("(correct these cells)", column("kind", lambda i: i + 0.5)),
     column("kind", lambda i: i + 0.5 if i else math.inf), begun)  # fmt: skip
case("task", advised("(--task classes)", how_begun(task="classes")),
     how_begun(task="numbers"), begun)  # fmt: skip
case("table", advised("(a mapping)", another(data={"a": [1, 2], "b": [3, 4]})),
     another(data=[[1, 2], [3, 4]]), begun)  # fmt: skip
case("no input", advised("(the target is the only column)", column("age", lambda i: i % 7)),
     another(data={"kind": ["cat", "dog"] * 12}), begun)  # fmt: skip


def spec_there(desk: Desk) -> None:
    desk.options["words"] = ["spec", "init", "own.csv", "-o", "net.json"]
    Path("own.csv").write_text("a,b\n1.5,x\n2.5,y\n")
    run(desk)


def with_words(*words: str) -> Step:
    return lambda desk: desk.options["words"].extend(words)


case("spec there", advised(r"elsewhere with (-o) FILE", with_words("-o", "other.json")),
     spec_there, run)  # fmt: skip
case("spec there", advised(r"replace it with (--force)", with_words("--force")),
     spec_there, run)  # fmt: skip


# ---- exports


class Kept(Layer):
    """y = x."""

    type_name = "kit.kept"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x + 0

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


class Steered(Kept):
    """y = x, unless the rows add up to less than nothing."""

    type_name = "kit.steered"

    def feed(self, x: Array, ctx: Context) -> Array:
        return x + 0 if float(x.sum()) > 0 else -x


class Sorted(Kept):
    """y = x in rising order."""

    type_name = "kit.sorted"

    def feed(self, x: Array, ctx: Context) -> Array:
        return np.sort(x, axis=1)


def holding(kind: type[Layer]) -> Step:
    def spoil(desk: Desk) -> None:
        desk.options["kind"] = kind

    return spoil


def exported(desk: Desk) -> None:
    layers, kind = LAYERS._local, desk.options["kind"]
    layers[kind.type_name] = kind
    try:
        spec = {"layerkit": 1, "input": {"shape": [3]}, "layers": [{"type": kind.type_name}]}
        layerkit.export(layerkit.build(spec), "net.py", to="python")
    finally:
        del layers[kind.type_name]


def as_the_kit_says(desk: Desk, text: str) -> None:
    name = told(r"layerkit plugins check (\S+)", text)
    LAYERS._local[name] = desk.options["kind"]
    try:
        done = desk.cli("plugins", "check", name)
    finally:
        del LAYERS._local[name]
    assert "np.where" in done.out
    desk.options["kind"] = Kept


def other_operations(desk: Desk, text: str) -> None:
    assert "with sums, products, np.where and elementwise" in text
    desk.options["kind"] = Kept


case("export", as_the_kit_says, holding(Steered), exported)
case("export", other_operations, holding(Sorted), exported)


def to_a_file(desk: Desk) -> None:
    model = desk.options.get("net") or layerkit.build(desk.spec)
    layerkit.export(model, "net.xyz", **{"to": "npz", **desk.options.get("form", {})})


def train_it(desk: Desk, text: str) -> None:
    assert "layerkit train" in text
    desk.options["net"] = desk.trained().model


def name_the_form(desk: Desk, text: str) -> None:
    desk.options["form"] = {"to": told(r"to= \((\w+),", text)}


def formless(desk: Desk) -> None:
    desk.options.update(net=desk.trained().model, form={"to": None})


case("export", train_it, lambda desk: None, to_a_file)
case("export", name_the_form, formless, to_a_file)

# ---- weights


def a_mapped_file(desk: Desk) -> None:
    half(desk)
    desk.options["mmap"] = True


def set_again(desk: Desk) -> None:
    model = layerkit.load("net.layerkit", mmap=desk.options["mmap"])
    model.set_tensors(model.tensors())


def unmapped(desk: Desk, text: str) -> None:
    assert told(r"load it without (mmap)=True", text)
    desk.options["mmap"] = False


case("weights", unmapped, a_mapped_file, set_again)


def elsewhere_trained(spoiled: str = "body", **how: object) -> Step:
    """Weights under names of another library, and how they are imported."""

    def spoil(desk: Desk) -> None:
        names = {"dense_1": "body", "highway_1": "gate", "dense_2": "head"}
        tensors = layerkit.build({**desk.spec, "input": {"shape": [2]}}).tensors().items()
        parts = ((names[name.split(".")[0]], name.split(".")[1], array) for name, array in tensors)
        np.savez("net.npz", **{f"{start}.{end}": array for start, end, array in parts})  # type: ignore[arg-type]
        desk.options.update(
            {"from": "net.npz", "spec": "net.json", "mapping": {**names, "dense_1": spoiled}, **how}
        )
        Path("net.json").write_text(json.dumps(desk.spec))

    return spoil


def imported(desk: Desk) -> None:
    given = desk.options
    layerkit.import_weights(given["from"], given["spec"], mapping=given["mapping"])


def with_a_spec(desk: Desk, text: str) -> None:
    assert told(r"(spec)=", text)
    desk.options["spec"] = "net.json"


def with_an_object(desk: Desk, text: str) -> None:
    assert told(r"give the (object)", text)
    desk.options["from"] = dict(np.load("net.npz"))


def with_a_map(desk: Desk, text: str) -> None:
    own, other = (names.split(", ") for names in re.findall(r"(?:from|to) (\w+, \w+, \w+)", text))
    desk.options["mapping"] = dict(zip(own, other, strict=True))


def one_of_those(desk: Desk, text: str) -> None:
    desk.options["mapping"]["dense_1"] = listed(text, "there are")[0]


case("weights", with_a_spec, elsewhere_trained(spec=None), imported)
case("weights", with_an_object, elsewhere_trained(**{"from": "net.pkl"}), imported)
case("weights", with_a_map, elsewhere_trained(mapping=None), imported)
case("weights", one_of_those, elsewhere_trained("boddy"), imported)

# ---- studies


def small_study(desk: Desk) -> None:
    """A study of one short run, finished."""
    train = {**desk.train, "data": "digits"}
    layers = [{"type": "dense", "units": 10}]
    spec = {"layerkit": 1, "input": {"shape": [64]}, "layers": layers, "train": train}
    desk.options["study"] = {"layerkit_study": 1, "spec": spec}
    layerkit.study(desk.options["study"])


def studied(desk: Desk) -> None:
    layerkit.study(desk.options["study"])


def with_a_broken_line(desk: Desk) -> None:
    small_study(desk)
    runs = Path("study.study/runs.jsonl")
    runs.write_text("nonsense\n" + runs.read_text())


def without_that_line(desk: Desk, text: str) -> None:
    number = int(told(r"line (\d+): .*\ndelete that line", text))
    runs = Path("study.study/runs.jsonl")
    lines = runs.read_text().splitlines(keepends=True)
    del lines[number - 1]
    runs.write_text("".join(lines))


def run_elsewhere(desk: Desk) -> None:
    small_study(desk)
    content = json.dumps(desk.options["study"]).encode()
    desk.options["other"] = RunFolder(Path("study.study")).open_for_runs(content)
    desk.options["other"].__enter__()


def when_it_has_ended(desk: Desk, text: str) -> None:
    option = told(r"wait until it ends; (--status)", text)
    assert desk.cli("study", "study.study/study.json", option).out.startswith("1 of 1 run ")
    desk.options["other"].__exit__(None, None, None)


case("study", without_that_line, with_a_broken_line, studied)


def with_few_rows_to_search_with(desk: Desk) -> None:
    train = {**desk.train, "data": "digits", "validation": 0.25}
    layers = [{"type": "dense", "units": 10}]
    spec = {"layerkit": 1, "input": {"shape": [64]}, "layers": layers, "train": train}
    rates = {"train.optimizer.learning_rate": [0.001, 0.01]}
    search = {"trials": 2, "rows": 24, "space": rates, "set": {"train.batch_size": 4}}
    desk.options["study"] = {"layerkit_study": 1, "spec": spec, "search": search}


def a_larger_limit(desk: Desk, text: str) -> None:
    rows = int(told(r"raise search.rows to (\d+) or more, or leave it out", text))
    desk.options["study"]["search"]["rows"] = rows


case("study", a_larger_limit, with_few_rows_to_search_with, studied)


def with_damaged_widths(desk: Desk) -> None:
    train = {**desk.train, "data": "digits"}
    layers = [{"type": "dense", "units": 4}, {"type": "dense", "units": 10}]
    spec = {"layerkit": 1, "input": {"shape": [64]}, "layers": layers, "train": train}
    match = {"what": "params", "to": 760}
    desk.options["study"] = {"layerkit_study": 1, "spec": spec, "match": match}
    layerkit.study(desk.options["study"])
    Path("study.study/matched.json").write_text('{"key": {}}')


def without_that_file(desk: Desk, text: str) -> None:
    Path(told(r"(study.study.matched.json): .*\ndelete the file", text)).unlink()


case("study", without_that_file, with_damaged_widths, studied)
case("study", when_it_has_ended, run_elsewhere, studied)

# ---- the tests


# ---- several data sets

ACROSS = "several data sets"


def two_tables(**others: Any) -> Step:
    """Two tables, two contestants, and what spoils them."""

    def spoil(desk: Desk) -> None:
        for name, extra in (("one", 0), ("two", 1)):
            rows = [f"{i % 7 + i % 2 * extra},{i * i % 5},{'cd'[i % 2]}" for i in range(24)]
            Path(f"{name}.csv").write_text("\n".join(["weight,height,kind", *rows, ""]))
        first = {**desk.spec, "output": {"column": "kind", "classes": ["c", "d"]}}
        desk.options = {
            "contestants": [first, {**first, "name": "other"}],
            "data": ["one.csv", "two.csv"],
        }
        desk.options |= {k: v(desk) if callable(v) else v for k, v in others.items()}

    return spoil


def across(desk: Desk) -> None:
    layerkit.compare_across(**desk.options, seeds=1)


def a_model(desk: Desk) -> list[Any]:
    first = {**desk.options["contestants"][0], "train": {"data": "one.csv", "epochs": 1}}
    return [layerkit.train(first).model, desk.options["contestants"][1]]


def spec_of_the_model(desk: Desk, text: str) -> None:
    assert "give its spec" in text
    desk.options["contestants"][0] = desk.options["contestants"][0].spec


def another_data_set(desk: Desk, text: str) -> None:
    assert "seeds repeat one" in text
    desk.options["data"] = ["one.csv", "two.csv"]


def with_a_picture(desk: Desk) -> list[Any]:
    pooled = [{"type": "maxpool"}, {"type": "flatten"}, {"type": "dense", "units": 2}]
    image = {**desk.spec, "input": {"shape": [1, 2, 2]}, "layers": pooled}
    image["output"] = {"classes": ["c", "d"]}
    return [*desk.options["contestants"], {**image, "name": "image"}]


def leave_the_picture_out(desk: Desk, text: str) -> None:
    assert "leave one of them out" in text
    desk.options["contestants"].pop()


def a_spec(**sections: Any) -> Callable[[Desk], list[str]]:
    """A data set that is given as a spec."""

    def write(desk: Desk) -> list[str]:
        Path("given.json").write_text(json.dumps({**desk.options["contestants"][0], **sections}))
        return ["given.json", "two.csv"]

    return write


def completed(**sections: Any) -> Callable[[Desk, str], object]:
    def follow(desk: Desk, text: str) -> None:
        assert told(r"(says where its rows are|lists output\.classes)", text)
        given = json.loads(Path("given.json").read_text())
        Path("given.json").write_text(json.dumps({**given, **sections}))

    return follow


def of_numbers(desk: Desk) -> list[str]:
    rows = [f"{'cd'[i % 2]},{i / 3}" for i in range(24)]
    Path("numbers.csv").write_text("\n".join(["kind,height", *rows, ""]))
    return ["numbers.csv", "two.csv"]


def another_target(desk: Desk, text: str) -> None:
    words = told(r"(layerkit spec init --target)", text).split()[1:]
    passed(desk.cli(*words, "kind", "numbers.csv"))
    desk.options["data"] = ["numbers.json", "two.csv"]


ONE_EPOCH = {"train": {"epochs": 1, "data": "one.csv"}}
case(ACROSS, spec_of_the_model, two_tables(contestants=a_model), across)
case(ACROSS, another_data_set, two_tables(data=["one.csv", "one.csv"]), across)
case(ACROSS, leave_the_picture_out, two_tables(contestants=with_a_picture), across)
case(ACROSS, completed(**ONE_EPOCH), two_tables(data=a_spec()), across)
case(
    ACROSS,
    completed(output={"column": "kind", "classes": ["c", "d"]}),
    two_tables(data=a_spec(output={"column": "kind"}, **ONE_EPOCH)),
    across,
)
case(ACROSS, another_target, two_tables(data=of_numbers), across)


def ids(one: Case) -> str:
    """The name of a case, for pytest."""
    return one.name.replace(" ", "-")


@pytest.mark.parametrize("one", CASES, ids=ids)
def test_an_advice_leads_on(cli: Cli, one: Case) -> None:
    desk = Desk(cli)
    one.spoil(desk)
    with pytest.raises(LayerkitError) as caught:
        one.act(desk)
    one.follow(desk, str(caught.value))
    one.act(desk)


OTHERS = {
    "errors": "classes that pass a hint on; limits and extras are told by tests of their own",
    "specs.messages": "passes on the hints of parts",
    "core.tensors": "passes on the hint of its caller",
    "discovery.importing": "wants other distributions: tests/plugins",
    "discovery.origins": "wants other distributions: tests/plugins",
    "plugintools.trial_import": "wants other distributions: tests/plugins",
    "discovery.registry": "wants other distributions: tests/plugins",
    "discovery.devices": "wants a device: tests/unit/training/test_on_a_device.py",
    "execution.devices.engine": "wants a device: tests/unit/training/test_on_a_device.py",
    "training.device_loop": "wants a device: tests/unit/training/test_on_a_device.py",
    "training.teacher": "wants a teacher: tests/unit/training/test_distillation.py",
    "studies.run": "wants runs that fail: tests/unit/studies/test_study.py",
    "runs.workers": "wants an executor that breaks: tests/unit/studies/test_study.py",
    "codec.reader": "says what a foreign file is",
    "codec.source": "says what is no regular file",
    "data.fetch": "wants the files of MNIST",
    "file.check_tensors": "wants a file of shared tensors, which no command writes",
    "data.mnist_files": "names the files of MNIST",
}


def hints() -> list[tuple[str, range]]:
    """Module and lines of each call that gives a hint; the kit of plugins has its own tests."""
    found = []
    for path in sorted(CODE.rglob("*.py")):
        module = ".".join(path.relative_to(CODE).with_suffix("").parts)
        if module.startswith("testing."):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                given = [k.value for k in node.keywords if k.arg == "hint"]
                if given and ast.unparse(given[0]) != "None":
                    found.append((module, range(node.lineno, (node.end_lineno or 0) + 1)))
    return found


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, int]]:
    """Where errors with a hint were made: module without ``layerkit.``, and line."""
    found: set[tuple[str, int]] = set()
    plain = LayerkitError.__init__

    def noting(self: LayerkitError, message: str, *, hint: str | None = None) -> None:
        frame: Any = sys._getframe(1)
        while frame is not None and frame.f_code.co_name == "__init__":
            frame = frame.f_back
        if hint is not None and frame is not None:
            found.add((frame.f_globals["__name__"].removeprefix("layerkit."), frame.f_lineno))
        plain(self, message, hint=hint)

    monkeypatch.setattr(LayerkitError, "__init__", noting)
    return found


def test_every_hint_has_a_case(
    cli: Cli, made: set[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in CASES:
        (tmp_path / one.name).mkdir()
        monkeypatch.chdir(tmp_path / one.name)
        desk = Desk(cli)
        one.spoil(desk)
        with pytest.raises(LayerkitError):
            one.act(desk)
    untried = [
        f"{module}, line {lines[0]}"
        for module, lines in hints()
        if module not in OTHERS and not any((module, line) in made for line in lines)
    ]
    assert untried == [], "give each a case above, which follows the advice"


def test_what_is_left_out_gives_hints() -> None:
    assert set(OTHERS) <= {module for module, _ in hints()}
