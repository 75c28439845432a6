"""Equal budgets: the widths of a spec with which it costs as much as another one.

The cost is the number of trained parameters, of multiply-adds for a row, or the seconds that a row
takes to be predicted here. The spec with the solved widths is a spec like any other.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from layerkit.display import few, quoted
from layerkit.errors import SpecError
from layerkit.reporting.numbers import fixed
from layerkit.specs import Spec, as_spec
from layerkit.studies.costs import WORDS, LayerCosts, cost_of
from layerkit.studies.freedom import Freedom, groups_of
from layerkit.studies.layer_numbers import Together
from layerkit.studies.seconds import seconds_ratio
from layerkit.studies.sections import ALLOWED, What

COSTS: tuple[str, ...] = get_args(What)
MOST = 1e15  # of a cost; beyond, numbers of this size are not whole
_LISTED = 6
_LEAST_SLOPE = 0.5  # so that noise is at most doubled
_APART = 0.02  # of logarithms of multiply-adds, to say how seconds grow with them


@dataclass(frozen=True)
class Matched:
    """The widths that make a spec as costly as a target.

    Attributes
    ----------
    what
        What the cost is: ``params``, ``macs`` or ``seconds``.
    cost, target
        The cost of the spec with these widths, and the one aimed at.
    remainder
        How far the cost is from the target, as a share of the target; negative if below.
    widths
        The solved numbers by path, such as ``layers.0.units``.
    interval
        Of the remainder, where it is measured: the 95 % interval of the median; else None.
    """

    what: str
    target: float
    cost: float
    remainder: float
    widths: dict[str, int]
    interval: tuple[float, float] | None = None

    @classmethod
    def of(
        cls,
        what: str,
        target: float,
        cost: float,
        widths: dict[str, int],
        interval: tuple[float, float] | None = None,
    ) -> Matched:
        """With the remainder of the two costs."""
        return cls(what, target, cost, (cost - target) / target, widths, interval)

    @property
    def settings(self) -> list[str]:
        """The widths as overrides, such as ``layers.0.units=63``."""
        return [f"{path}={value}" for path, value in self.widths.items()]

    def __str__(self) -> str:
        """The widths, the cost and how far it is off."""
        return f"{listed(self.widths)}: {self.costs()}"

    def costs(self) -> str:
        """The cost and how far it is off, as text."""
        off = remainder_text(self.remainder)
        if self.interval is not None:
            off += f", 95 % interval {' to '.join(map(remainder_text, self.interval))}"
        return f"{number(self.cost)} of {number(self.target)} {WORDS[self.what]} ({off})"


def match_widths(
    spec: str | os.PathLike[str] | Mapping[str, Any] | Spec,
    to: str | os.PathLike[str] | Mapping[str, Any] | Spec | float,
    *,
    what: What = "params",
    free: Sequence[str] | None = None,
    tied: bool | Sequence[Sequence[str | int]] = (),
    allow: float = ALLOWED,
    settings: Sequence[str] = (),
) -> Matched:
    """Find the widths with which a spec costs as much as another one, or a given amount.

    All widths are scaled by one factor, then moved by as few units as bring the cost within 0.5 %.

    Parameters
    ----------
    spec, settings
        As for ``build``.
    to
        The other spec, or the cost.
    what
        ``params``: trained parameters; ``macs``: multiply-adds of one more row in inference;
        ``seconds``: what a row takes to be predicted by this machine, one thread, in batches.
    free
        Paths of the whole numbers to solve for, such as ``layers.0.units``; by default the widths
        of all layers whose change leaves the output as it is.
    tied
        Groups of these, by path or by position in ``free``, that stay equal; True for all that are
        equal now.
    allow
        The largest remainder that is no error, as a share of the target.

    Returns
    -------
    Matched
        The widths, also as ``settings`` for ``build`` and ``train``, and the remainder.

    Raises
    ------
    SpecError
        If no widths come near enough, or a path is not that of a whole number which changes the
        cost. As for ``build`` otherwise.
    """
    if what not in COSTS or not allow >= 0:
        raise ValueError(f"expected what to be one of {', '.join(COSTS)} and allow >= 0, got "
                         f"{what!r} and {allow!r}")  # fmt: skip
    groups = tied if isinstance(tied, bool) else tuple(tuple(group) for group in tied)
    freedom = Freedom(None if free is None else tuple(free), groups)
    target = to if isinstance(to, (int, float)) else as_spec(_path(to))
    found = matched(as_spec(_path(spec), settings), target, what, freedom)
    check_remainder(found, allow)
    return found


def _path(given: Any) -> Any:
    return Path(given) if isinstance(given, os.PathLike) else given


def matched(spec: Spec, to: Spec | float, what: str, freedom: Freedom) -> Matched:
    """The nearest widths, however far they are.

    Raises SpecError if there is nothing to solve for, or the cost of a spec is not known.
    """
    if not isinstance(to, Spec) and not 0 < to < MOST:
        expected = f"a spec, or a cost > 0 and < {MOST:g}"
        raise SpecError(f"expected {expected}, got {quoted(to)}", location="to")
    for one in (spec, to):
        if isinstance(one, Spec):
            _ = one.in_shape  # raises if it is to be learned
    groups = groups_of(spec, freedom)
    if what == "seconds":
        return _matched_seconds(spec, to, groups)
    costs = LayerCosts(spec, groups, what)
    target = cost_of(to, what) if isinstance(to, Spec) else to
    widths = costs.solved(target)
    try:
        made = costs.with_widths(widths)
    except SpecError as error:  # what is found only in a whole spec, such as its size in memory
        raise SpecError(f"with {listed(costs.values(widths))}: {error.reason}") from error
    return Matched.of(what, target, cost_of(made, what), costs.values(widths))


def check_remainder(found: Matched, allow: float) -> None:
    """Raise SpecError if the cost is farther from the target than ``allow``, noise set aside."""
    low, high = found.interval or (found.remainder, found.remainder)
    if max(low, -high) <= allow:
        return
    unit = WORDS[found.what]
    raise SpecError(
        f"no widths come within {100 * allow:g} % of {number(found.target)} {unit}: the nearest, "
        f"{listed(found.widths)}, have {number(found.cost)} ({remainder_text(found.remainder)}); "
        "free other widths, or allow more"
    )


def number(cost: float) -> str:
    """A count or seconds as text."""
    whole = 1000 <= cost < MOST or (0 <= cost < 1000 and cost == int(cost))
    return f"{cost:,.0f}" if whole else f"{cost:.3g}"


def remainder_text(share: float) -> str:
    """``+0.84 %``."""
    return f"{fixed(100 * share, 2, sign=True)} %"


def listed(widths: Mapping[str, int]) -> str:
    """Widths as text, the first few of many."""
    return few([f"{path} {value}" for path, value in widths.items()], _LISTED)


def _matched_seconds(spec: Spec, to: Spec | float, groups: Sequence[Together]) -> Matched:
    """Equal multiply-adds first, then twice as many as the measured ratio asks for."""
    costs = LayerCosts(spec, groups, "macs")
    widths = costs.solved(cost_of(to, "macs")) if isinstance(to, Spec) else costs.start
    slope, before = 1.0, (0.0, 0.0)  # of the logarithms of seconds against those of multiply-adds
    for _ in range(2):
        ratio = seconds_ratio(costs.with_widths(widths), to).middle
        now = math.log(costs(widths) or 1), math.log(ratio)
        if before[0] and abs(now[0] - before[0]) > _APART:
            slope = min(max((now[1] - before[1]) / (now[0] - before[0]), _LEAST_SLOPE), 1.0)
        widths, before = costs.solved(math.exp(now[0] - now[1] / slope)), now
    last = seconds_ratio(costs.with_widths(widths), to)
    cost = last.seconds * last.middle
    interval = last.low - 1, last.high - 1
    return Matched.of("seconds", last.seconds, cost, costs.values(widths), interval)
