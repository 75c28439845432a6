"""Write random layers as the contract allows: plain NumPy over x, parameters, state and draws.

Backprop is a program of the same kind, over dy and what was saved: it need not be a derivative.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tests.fuzz.drafting import ROWS, Stuck
from tests.fuzz.programs import Line, Program, Save, Shape, mentions
from tests.fuzz.statements import Statements


class Writer(Statements):
    """Writes one program."""

    def statements(self, count: int, *, back: bool) -> None:
        choices: list[tuple[float, Callable[[], Any]]] = [
            (5, self.unary),
            (6, self.binary),
            (1.2, self.masks),
            (3.5, self.product),
            (1.5, self.shared_products),
            (3, self.reduce),
            (2.5, self.form),
            (0.8, self.create),
            (1.8, self.in_place),
            (0.7, self.filled),
            (0.05, self.odd),
            (1.5 if back else 0, self.shared_backs),
            (0.0 if back else self.state_weight, self.stateful),
            (0.04 if back else self.draw_weight, self.draw),
            (0.01 if back else 0.1 * self.draw_weight, self.unused_draw),
        ]
        for _ in range(count):
            self.statement(choices)

    def program(self) -> Program:
        r = self.r
        self.state_weight = 1.5 if self.state else 0
        self.draw_weight = 0 if self.targets or self.style != "wide" else r.choice((0, 0, 0, 1.2))
        for name in self.params:
            self.run(f'{name} = self.params["{name}"]')
            self.lines.append(Line(f'{name} = self.params["{name}"]', name))
        if self.whole and r.random() < 0.8 and "W0" in self.params:
            self.let(f"W0[x.reshape(len(x), -1)[:, 0] % {self.params['W0'][0]}]")
        elif self.whole:
            self.let("x.astype(ctx.dtype)")
        if self.targets == "class":
            k = self.in_shape[0]
            one = r.choice(
                ["(targets[:, None] == np.arange({k}))", "x[np.arange(len(x)), targets]"]
            )
            self.let(one.format(k=k))
        elif self.targets:
            self.let(r.choice(["x - targets", "(x - targets).astype(ctx.dtype)"]))
        self.statements(r.choice((1, 2, 3, 4, 5, 6, 8, 10, 14)), back=False)
        self._save()
        if r.random() < 0.5:
            self.statements(r.choice((1, 2, 4)), back=False)
            if r.random() < 0.5:
                self._save()
        y = self._losses() if self.targets else self._output()
        out_shape = tuple(int(size[0]) for size in self.shape(y)[1:])
        feed, self.lines = self.lines, []
        self._begin_backprop(y)
        self.statements(r.choice((1, 2, 3, 4, 6, 8, 12)), back=True)
        dx = self._gradients()
        lines = tuple(line for line in self.lines if isinstance(line, Line))
        program = Program(
            self.name,
            self.in_shape,
            out_shape,
            self.params,
            self.state,
            tuple(feed),
            lines,
            y,
            dx,
            self.whole,
            self.targets,
        )
        return tidy(program)

    def _losses(self) -> str:
        """The losses of the rows, (n,)."""
        wide = [a for a in self.arrays() if self.rows(a) and self.kind(a) in "fd"]
        thin = [a for a in self.arrays() if self.shape(a) == (ROWS,) and self.kind(a) in "fd"]
        ways = [f"{a}.mean(axis=1)" for a in wide[-3:]] + [f"{a}.sum(axis=-1)" for a in wide[-3:]]
        text = self.r.choice(ways + [f"0.5 * {a}" for a in thin])
        made = self.let(text)
        return made if self.kind(made) == "f" else self.let(f"{made}.astype(ctx.dtype)")

    def _save(self) -> None:
        """Save some of what there is: x, parameters, masks, whole numbers, views."""
        r = self.r
        names = [a for a in self.arrays() if a not in self.saved and a not in self.params]
        for _ in range(r.choice((1, 1, 2))):
            some = r.sample(names, min(len(names), r.randrange(1, 5)))
            some = [a for a in some if a not in self.saved]
            if some:
                part = "inner" if r.random() < 0.1 else ""
                self.lines.append(Save(tuple(some), part))
                self.saved |= set(some)

    def _output(self) -> str:
        """The name of y: a batch of floats; a view, an input or a saved value may be one."""
        r = self.r

        def fits(a: str, kinds: str = "f") -> bool:
            shape = self.shape(a)
            return (
                len(shape) in (2, 3)
                and shape[0] == ROWS
                and all(p == q for p, q in shape[1:])
                and self.kind(a) in kinds
            )

        if r.random() < 0.6 and (whole := self._gather(fits)):
            return whole
        fine = [a for a in self.arrays() if fits(a)]
        made = [a for a in fine if a != "x" and a in self.moving]
        if made and r.random() < 0.97:
            return r.choice(made[-4:])
        wide = [a for a in self.arrays() if fits(a, "dib")]
        if wide:
            return self.let(f"{r.choice(wide)}.astype(ctx.dtype)")
        if fine:
            return r.choice(fine)
        raise Stuck

    def _gather(self, fits: Callable[[str], bool]) -> str:
        """Read what nothing has read yet, in one sum with what fits; its name, or none."""
        r = self.r
        late = [a for a in self.arrays() if fits(a) and a in self.moving]
        if not late:
            return ""
        whole = r.choice(late[-3:])
        names = [a for a in self.arrays() if a not in self.read and a not in self.params]
        for name in names[-8:]:
            if name == whole:
                continue
            ways = [f"{whole} + {name}", f"{whole} * {name}", f"{name} - {whole}"]
            ways = [r.choice(ways), f"{whole} + {name}.mean(axis=-1, keepdims=True)"]
            for text in (*ways, f"{whole} + {name}.sum()", f"{whole} + {name}[:, :1]"):
                try:
                    made = self.let(text)
                except Stuck:
                    continue
                if self.shape(made) == self.shape(whole):
                    whole = made
                    break
        if self.kind(whole) != "f":
            whole = self.let(f"{whole}.astype(ctx.dtype)")
        return whole

    def _begin_backprop(self, y: str) -> None:
        """What backprop has: dy, what was saved and the parameters."""
        keep = {"np", "self", "ctx", "__builtins__", *self.saved}
        for n, env in zip(ROWS, self.envs, strict=True):
            dy = np.random.default_rng(n + 1).standard_normal(env[y].shape).astype(np.float32)
            for name in [name for name in env if name not in keep]:
                del env[name]
            env["dy"] = dy
        self.moving = {"dy", "x", *self.saved}
        # Statements speak of len(x): where x was not saved, dy has as many rows.
        self.read = set()
        self.alias = "x" not in self.saved
        if self.alias:
            for env in self.envs:
                env["x"] = env["dy"]
            self.lines.append(Line("x = dy", "x"))
        if self.targets:
            self.let("dy[:, None]")
        for name in self.params:
            if self.r.random() < 0.9:
                self.run(f'{name} = self.params["{name}"]')
                self.lines.append(Line(f'{name} = self.params["{name}"]', name))

    def _gradients(self) -> str:
        """Assign the gradients, one now and then not, and give dx."""
        r = self.r
        self.ending = True
        names = list(self.params)
        r.shuffle(names)
        early = r.random() < 0.3  # dx before the gradients
        sizes = (ROWS, *((s, s) for s in self.in_shape))
        whole = ""
        if r.random() < 0.5:
            whole = self._gather(lambda a: self.shape(a) == sizes)
        dx = whole or (self.reach_input() if early else "")
        for name in names:
            if r.random() < 0.06:
                continue
            value = self.reach_param(self.params[name])
            target = f'self.grads["{name}"]' + ("" if r.random() < 0.9 else "[...]")
            self.do(f"{target} = {value}")
            if r.random() < 0.04:
                self.do(f'self.grads["{name}"] += {value}')
            if r.random() < 0.05:
                self.let(f'self.grads["{name}"] * 1')
        return dx or self.reach_input()

    def reach_param(self, shape: Shape) -> str:
        """An expression of a parameter's shape."""
        r = self.r
        sizes = tuple((s, s) for s in shape)
        ways = [a for a in self.arrays() if self.shape(a) == sizes and a not in self.params]
        rows = [a for a in self.arrays() if self.rows(a) and self.kind(a) in "fd"]
        if len(shape) == 2:
            left = [a for a in rows if self.width(a) == shape[0]]
            right = [a for a in rows if self.width(a) == shape[1]]
            if left and right:
                u, v = r.choice(left[-4:]), r.choice(right[-4:])
                ways += [f"{u}.T @ {v}"] * 6 + [f"np.dot({u}.T, {v})", f"({v}.T @ {u}).T"]
                ways += [f"({u}.T @ {v}) / len(x)", f"np.einsum('ni,nj->ij', {u}, {v})"]
                ways += [f"({u}.T @ {v}) + ({u}.T @ {v})", f"{u}.T @ ({v} * 0.5)"]
            if shape[0] == 1 and right:
                ways += [f"{r.choice(right)}.sum(axis=0, keepdims=True)"] * 3
        elif len(shape) == 1:
            fits = [a for a in rows if self.width(a) == shape[0]]
            if fits:
                u, v = r.choice(fits[-3:]), r.choice(fits)
                ways += [f"{u}.sum(axis=0)"] * 4 + [f"({u} * {v}).sum(axis=0)"] * 2
                ways += [
                    f"np.ones(len(x), ctx.dtype) @ {u}",
                    f"{u}.mean(axis=0)",
                    f"{u}.max(axis=0)",
                ]
        else:
            u = r.choice(rows or ["dy"])
            ways += [f"{u}.sum()", f"({u} * {u}).sum()", f"{u}.mean()", f"{u}.sum(axis=0).sum()"]
        if self.style == "rowwise":
            ways = [
                w for w in ways if re.fullmatch(r"\w+\.T @ \w+|.*\.sum\(axis=0\)|\w+\.sum\(\)", w)
            ]
            ways = ways or [f"np.zeros({shape})"]
        elif (rows and r.random() < 0.1) or not ways:
            u = r.choice(rows or ["dy"])
            ways = [f"np.full({shape}, 0.5, ctx.dtype) * {u}.mean()", f"np.zeros({shape})"]
        return r.choice(ways)

    def reach_input(self) -> str:
        """The name of dx: the shape of x, in the dtype of the pass."""
        r = self.r
        sizes = (ROWS, *((s, s) for s in self.in_shape))
        fine = [a for a in self.arrays() if self.shape(a) == sizes]
        if self.alias and self.shape("x") != sizes:
            fine = [a for a in fine if a != "x"]
        rows = [a for a in self.arrays() if self.rows(a) and self.kind(a) in "fd"]
        ways = fine[-4:] * 2
        if len(self.in_shape) == 1:
            (k,) = self.in_shape
            for w in self.params:
                if len(self.params[w]) == 2 and self.params[w][0] == k and w in self.envs[0]:
                    width = self.params[w][1]
                    ways += [f"{d} @ {w}.T" for d in rows if self.width(d) == width] * 2
            ways += [f"{a}[:, :{k}]" for a in rows if self.width(a) > k]
            ways += [f"{a} + {b}" for a in fine[-2:] for b in fine]
        products = [w for w in ways if "@" in w]
        if len(products) > 1 and r.random() < 0.6:
            text = " + ".join(r.sample(products, min(len(products), r.choice((2, 3)))))
        else:
            shape = f"(len(x), {', '.join(map(str, self.in_shape))})"
            u = r.choice(rows or ["dy"])
            text = r.choice(ways or [f"np.zeros({shape}, ctx.dtype) + {u}.mean(axis=1).sum()"])
            if not ways and len(self.in_shape) == 1:
                text = f"np.ones({shape}, ctx.dtype) * {u}.sum(axis=-1, keepdims=True)"
        if text in fine and self.kind(text) == "f":
            return text
        made = self.let(text, "dx")
        return made if self.kind(made) == "f" else self.let(f"{made}.astype(ctx.dtype)", "dx")


def tidy(program: Program) -> Program:
    """Without names for parameters that nothing reads."""

    def kept(lines: tuple[Any, ...], last: str) -> Iterator[Any]:
        for i, line in enumerate(lines):
            rest = [" ".join(o.names) if isinstance(o, Save) else o.text for o in lines[i + 1 :]]
            used = set().union(*map(mentions, (*rest, last)))
            plain = isinstance(line, Line) and (
                line.text == f'{line.makes} = self.params["{line.makes}"]' or line.text == "x = dy"
            )
            if not plain or line.makes in used:
                yield line

    return replace(
        program,
        feed=tuple(kept(program.feed, program.y)),
        backprop=tuple(kept(program.backprop, program.dx)),
    )


def draw(seed: int, in_shape: Shape | None = None, targets: str = "") -> Program:
    """The program of this seed, for rows of this shape, by default of any; a loss with targets."""
    for trial in range(100):
        try:
            return Writer(seed * 1000 + trial, in_shape, targets).program()
        except Stuck:
            continue
    raise AssertionError(f"no program for seed {seed}")
