"""Cases: nets of drawn layers with numbers of rows and a precision; and smaller cases."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from layerkit.core.layer import Layer
from tests.fuzz.forms import Net
from tests.fuzz.programs import Program
from tests.fuzz.shrink import smaller_programs
from tests.fuzz.writing import draw

SIZES = 1, 2, 7, 16, 33, 64, 257


@dataclass(frozen=True)
class Case:
    """Layers, numbers of rows for one pass after the other, and the precision."""

    number: int
    programs: tuple[Program, ...]
    sizes: tuple[int, ...]
    dtype: str
    seed: int
    loss: Program

    def net(self) -> Net:
        """The net, its parameters drawn."""
        kinds: dict[str, type[Layer]] = {}
        for program in self.programs:
            if program.name not in kinds:
                kinds[program.name] = program.build()
        layers = [kinds[program.name]() for program in self.programs]
        return Net.of(layers, self.programs[0].in_shape, self.dtype, self.seed)

    def source(self, *, loss_alone: bool = False) -> str:
        """All that a person needs to see."""
        texts = dict.fromkeys(program.source() for program in self.programs)
        names = ", ".join(program.name for program in self.programs)
        if loss_alone:
            names, texts = self.loss.name, {self.loss.source(): None}
        head = f"# layers: {names}; {self.dtype}; rows: {self.sizes}; seed {self.seed}"
        return "\n\n".join((head, *texts))


def case_of(seed: int, number: int) -> Case:
    """Case ``number`` of a seed."""
    r = random.Random(f"case:{seed}:{number}")  # noqa: S311
    count = r.choice((1, 1, 1, 1, 2, 3, 4, 6))
    programs: list[Program] = []
    for k in range(count):
        shape = programs[-1].out_shape if programs else None
        last = programs[-1] if programs else None
        equal = last is not None and last.out_shape == last.in_shape and not last.whole
        if last is not None and equal and r.random() < 0.4:
            programs.append(last)  # one structure twice
        else:
            programs.append(draw(1_000_003 * seed + 10 * number + k, shape))
    sizes = [r.choice(SIZES) for _ in range(r.choice((2, 3, 4)))]
    if r.random() < 0.15:
        sizes.insert(r.randrange(len(sizes) + 1), 0)
    if r.random() < 0.5:
        sizes.append(sizes[0])
    dtype = r.choice(("float64", "float64", "float32"))
    shape, kind = (r.choice((1, 2, 3, 10)),), r.choice(("class", "real"))
    judged = draw(1_000_003 * seed + 10 * number + 9, shape, kind)
    return Case(number, tuple(programs), tuple(sizes), dtype, r.randrange(2**31), judged)


def smaller_cases(case: Case, *, loss_alone: bool) -> Iterator[Case]:
    """The same with less, the largest part of the work away first."""
    programs, sizes = case.programs, case.sizes
    for i in range(len(programs)):
        rest = programs[:i] + programs[i + 1 :]
        fit = all(a.out_shape == b.in_shape for a, b in pairwise(rest))
        if rest and fit:
            yield replace(case, programs=rest)
    for i in range(len(sizes)):
        if len(sizes) > 1:
            yield replace(case, sizes=sizes[:i] + sizes[i + 1 :])
    for i, n in enumerate(sizes):
        for fewer in (m for m in (1, 2, 7) if m < n):
            yield replace(case, sizes=(*sizes[:i], fewer, *sizes[i + 1 :]))
    if loss_alone:
        yield from (replace(case, loss=smaller) for smaller in smaller_programs(case.loss))
        return
    for program in list({p.name: p for p in programs}.values()):
        for smaller in smaller_programs(program):
            yield replace(case, programs=tuple(smaller if p is program else p for p in programs))
