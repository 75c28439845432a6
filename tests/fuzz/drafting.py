"""A draft of a layer: statements that are tried on real arrays before they are kept.

Each is run with 11 and with 13 rows, so any text may be proposed: what raises, explodes or grows
too large is not kept. A size that differs between the two depends on the number of rows.
"""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.fuzz.programs import WHOLE, Line, Save, Shape, mentions

ROWS = 11, 13
SIZES = 1, 2, 3, 5, 8, 17
LARGEST = 6000  # elements of one array at 13 rows
# What plain layers do not use, and what layers whose rows do not meet do not use either.
RARE = re.compile(
    r"einsum|sort|cum|median|ptp|roll|pad|tile|repeat|take|arc|sinh|cos|sin\(|heaviside|round|nan_to"
    r"|arg|linalg|float64|int64|diff|flip|rng|np\.array|linspace|\[\[|cbrt|mod|//|%|outer|tensordot"
    r"|reshape|ravel|split|stack\(|\*\* [3(]|power|swapaxes|exp2|expm1|arange|pi\b|prod|std|add\.at"
)
MEETING = re.compile(
    r"axis=0|axis=None|axis=\(0|\(\)|len\(x\)|shape\[0\]|\.T\b|None\)"
    r"|\[1:\]|\[:-1\]|\[::|\[0\] |\[:2"
)
Size = tuple[int, int]  # with 11 and with 13 rows
Env = dict[str, Any]


class Stuck(Exception):  # noqa: N818  # not an error: another program is begun
    """No way on from here."""


class _Copying(dict[str, Any]):
    """As a layer's gradients and state: assigning copies into the array."""

    def __setitem__(self, name: str, value: Any) -> None:
        target = self[name]
        if value is not target:
            if np.shape(value) != target.shape:
                raise ValueError
            np.copyto(target, value, casting="same_kind")


class _Draws:
    """The context that the tried statements see."""

    def __init__(self) -> None:
        self.dtype, self.training = np.dtype(np.float32), True
        self.rng = np.random.default_rng(5)


class Draft:
    """What was written of one program, and what its names stand for."""

    def __init__(self, seed: int, in_shape: Shape | None = None, targets: str = "") -> None:
        self.r = random.Random(f"layer:{seed}")  # noqa: S311
        self.name = f"Drawn{seed}"
        self.targets = targets  # of a loss
        self.wild = self.r.random() < 0.1  # infinite and undefined numbers are welcome
        self.style = self.r.choice(("wide", "wide", "plain", "rowwise"))
        self.lines: list[Line | Save] = []
        self.count = 0
        self.training_only = False
        r = self.r
        self.in_shape: Shape = (r.choice(SIZES),)
        if r.random() < 0.12:
            self.in_shape = (r.choice((1, 2, 3, 5)), r.choice((1, 2, 3, 4)))
        self.in_shape = in_shape or self.in_shape
        self.whole = in_shape is None and r.random() < 0.05
        self.params = {} if targets else self._param_shapes()
        self.state: dict[str, Shape] = {}
        if r.random() < 0.25 and not targets:
            self.state["mean"] = r.choice([(self.in_shape[-1],), (), (r.choice(SIZES),)])
            if r.random() < 0.4:
                self.state["var"] = self.state["mean"]
        self.envs = [self._env(n) for n in ROWS]
        self.ending = False  # while gradients are assigned
        self.saved: set[str] = set()
        self.read: set[str] = set()
        self.moving = {"x"}  # names of what depends on the input
        self.kept_numbers: list[str] = []

    # --- what there is ---

    def _param_shapes(self) -> dict[str, Shape]:
        """Matrices with equally and unequally many rows, vectors and numbers."""
        r, k = self.r, self.in_shape[-1]
        hidden = r.choice(SIZES)
        shapes: dict[str, Shape] = {}
        for _ in range(r.choice((0, 1, 1, 2, 2, 3, 3, 4, 5))):
            shape: Shape = r.choice(
                [
                    *[(k, hidden)] * 3,
                    *[(k, k)] * 2,
                    (k, r.choice(SIZES)),
                    (hidden, k),
                    (hidden, r.choice(SIZES)),
                    *[(hidden,)] * 2,
                    (k,),
                    (),
                    (1, k),
                    (hidden, 1),
                ]
            )
            letter = "W" if len(shape) == 2 else "b" if shape else "c"
            shapes[f"{letter}{len(shapes)}"] = shape
        return shapes

    def _env(self, n: int) -> Env:
        rng = np.random.default_rng(n)

        def draw(*shape: int) -> Any:
            return rng.standard_normal(shape).astype(np.float32)

        me = SimpleNamespace(
            params={name: 0.5 * draw(*shape) for name, shape in self.params.items()},
            grads=_Copying({name: draw(*shape) for name, shape in self.params.items()}),
            state=_Copying({name: draw(*shape) for name, shape in self.state.items()}),
        )
        x = rng.integers(0, WHOLE, (n, *self.in_shape)) if self.whole else draw(n, *self.in_shape)
        env = {"np": np, "self": me, "ctx": _Draws(), "x": x}
        if self.targets == "class":
            env["targets"] = rng.integers(0, self.in_shape[0], n)
        elif self.targets:
            env["targets"] = rng.standard_normal((n, *self.in_shape))
        return env

    def arrays(self) -> list[str]:
        """Names of arrays, in the order in which they were made."""
        return [name for name, value in self.envs[0].items() if isinstance(value, np.ndarray)]

    def known_params(self) -> list[str]:
        """The parameters that have a name in this method."""
        return [name for name in self.params if name in self.envs[0]]

    def shape(self, name: str) -> tuple[Size, ...]:
        a, b = (env[name].shape for env in self.envs)
        return tuple(zip(a, b, strict=True))

    def kind(self, name: str) -> str:
        """f: the dtype of the pass, d: float64, i: whole numbers, b: booleans."""
        dtype = self.envs[0][name].dtype
        return "f" if dtype == np.float32 else "d" if dtype.kind == "f" else str(dtype.kind)

    def pick(self, fits: Callable[[str], bool] = lambda _: True, *, kinds: str = "fd") -> str:
        """An array's name, rather a late one."""
        names = [a for a in self.arrays() if self.kind(a) in kinds and fits(a)]
        if not names:
            raise Stuck
        unread = [a for a in names if a not in self.read]
        if unread and self.r.random() < 0.5:
            return self.r.choice(unread)
        return self.r.choice(names[-5:] if self.r.random() < 0.6 else names)

    def ndim(self, name: str) -> int:
        ndim: int = self.envs[0][name].ndim
        return ndim

    def rows(self, name: str) -> bool:
        """Whether it is (n, k)."""
        shape = self.shape(name)
        return len(shape) == 2 and shape[0] == ROWS and shape[1][0] == shape[1][1]

    def fixed(self, name: str) -> bool:
        """Whether the shape does not depend on n."""
        return all(a == b for a, b in self.shape(name))

    def width(self, name: str) -> int:
        a, b = self.shape(name)[-1]
        return a if a == b else 1

    # --- statements ---

    def run(self, text: str) -> None:
        code = compile(text, "<tried>", "exec")
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for env in self.envs:
                exec(code, env)  # noqa: S102  # the text was made here

    def fresh(self, stem: str = "v") -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def let(self, text: str, stem: str = "v") -> str:
        """Keep ``name = text`` if the value is one to work with; else raise Stuck."""
        self._suits(text)
        name = self.fresh(stem)
        try:
            self.run(f"{name} = {text}")
            values = [env[name] for env in self.envs]
            fine = all(self._fine(value) for value in values)
            fine = fine and values[0].ndim == values[1].ndim and values[0].dtype == values[1].dtype
        except Exception as error:  # what raises is not kept
            for env in self.envs:
                env.pop(name, None)
            raise Stuck from error
        if not fine:
            for env in self.envs:
                env.pop(name, None)
            raise Stuck
        self._keep(Line(f"{name} = {text}", name))
        return name

    def _suits(self, text: str) -> None:
        """Raise Stuck if the style of this layer does without such statements."""
        bare = re.sub(r"\(\w+ @ W\d\.T\)|@ W\d\.T", "", text)
        if self.style != "wide" and RARE.search(text) and not text.startswith("dx"):
            raise Stuck
        if self.style == "rowwise" and MEETING.search(bare) and not self.ending:
            raise Stuck

    def _keep(self, line: Line) -> None:
        self.lines.append(line)
        names = mentions(line.text)
        self.read |= names - {line.makes}
        if names & self.moving:
            self.moving.add(line.makes or re.split(r"\W", line.text)[0])

    def _fine(self, value: Any) -> bool:
        if isinstance(value, np.generic):
            value = np.asarray(value)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fib":
            return False
        if value.size > LARGEST or value.ndim > 4 or (0 in value.shape):
            return False
        finite = np.isfinite(value)
        if not finite.all() and not (self.wild and self.r.random() < 0.3):
            return False
        with np.errstate(all="ignore"):
            large = bool(np.abs(value[finite].astype(float)).max(initial=0) > 1e3)
        if large and not (self.wild and self.r.random() < 0.3):
            return False
        return self.style == "wide" or self.whole or value.dtype in (np.float32, bool)

    def do(self, text: str) -> None:
        """Keep a statement that makes no name; it must not raise half-way."""
        if "self." not in text:
            self._suits(text)
        try:
            self.run(text)
        except Exception as error:  # what raises is not kept
            raise Stuck from error
        self._keep(Line(text))

    def writable(self, name: str) -> bool:
        """Whether the layer may write into the array: it is its own and one element each."""
        env = self.envs[0]
        array, me = env[name], env["self"]
        if not array.flags.writeable or (0 in array.strides and array.size > 1):
            return False
        held = [env["x"], *me.params.values(), *me.state.values(), *me.grads.values()]
        held += [env[other] for other in ("dy", "targets") if other in env]
        if any(np.may_share_memory(array, other) for other in held):
            return False
        return not any(
            np.may_share_memory(array, env[other]) for other in self.saved if other in env
        )

    def statement(self, choices: list[tuple[float, Callable[[], Any]]]) -> None:
        """Add one statement of any kind."""
        weights = [weight for weight, _ in choices]
        for _ in range(40):
            before, names = len(self.lines), [set(env) for env in self.envs]
            ((_, write),) = self.r.choices(choices, weights)
            try:
                write()
            except Stuck:
                del self.lines[before:]
                for env, known in zip(self.envs, names, strict=True):
                    for name in env.keys() - known:
                        del env[name]
            else:
                return
        raise Stuck
