"""What the lens has seen, in sentences: beside the tables, and under the pictures."""

from __future__ import annotations

from layerkit.display import counted, printable, shortened
from layerkit.lens.results import Lens
from layerkit.reporting.numbers import metric_text, significant

REDUNDANCY = (
    "A single lesion measures redundancy: what the others make up for, not whether the layer works."
)
OPENING = (
    "How far a gate opens does not tell how much what it lets in differs from what is carried."
)
_MOVED = 0.05  # of the loss


def main_metric(seen: Lens) -> str:
    """The first metric of the recipe, or the loss."""
    return list(seen.whole)[1] if len(seen.whole) > 1 else "loss"


def gates_words(seen: Lens) -> str:
    """Where gates open most, and how far their biases have moved; "" without gates."""
    if not seen.gated:
        return ""
    means = {name: gates.mean for name, gates in seen.gated}
    least, most = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    if len(means) == 1:
        text = f"The gates of {printable(most)} are open by {_share(means[most])} on average."
    else:
        text = (
            f"On average gates are open by {_share(means[least])} in {printable(least)}, the "
            f"least, and by {_share(means[most])} in {printable(most)}, the most."
        )
    return f"{text} {drift_words(seen)}".strip()


def drift_words(seen: Lens) -> str:
    """How many biases have fallen below their start; "" if none started at one number."""
    drifts = [drift for one in seen.blocks if one.gates is not None for drift in one.drift]
    if not drifts:
        return ""
    below = sum(drift.below for drift in drifts) / len(drifts)
    mean = sum(drift.mean for drift in drifts) / len(drifts)
    names = " and ".join(dict.fromkeys(drift.parameter for drift in drifts))
    moved = f"{significant(abs(mean))} {'below' if mean < 0 else 'above'}"
    return (
        f"Of the numbers in {names}, {_share(below)} are below their start; the mean is {moved} it."
    )


def lesion_words(seen: Lens) -> str:
    """What single lesions do beside all at once, and what they do not tell."""
    lesions = seen.lesions
    if not lesions:
        return ""
    base = abs(seen.whole["loss"].value)
    moving = sum(not abs(one["loss"].gap) <= _MOVED * base for _, one in lesions)
    metric = main_metric(seen)
    all_out, whole = (metric_text(metric, s[metric].value) for s in (seen.first[0], seen.whole))
    return (
        f"Left out alone, {moving} of {counted(len(lesions), 'layer')} "
        f"{'moves' if moving == 1 else 'move'} the loss by more than {_share(_MOVED)}. With all of "
        f"them left out, {metric} is {all_out} instead of {whole}. {REDUNDANCY}"
    )


def curve_words(seen: Lens) -> str:
    """What half of the layers reach."""
    count = len(seen.curve)
    if count < 2:
        return ""
    k, metric = count // 2, main_metric(seen)
    first, last, none, whole = (
        metric_text(metric, curve[at][metric].value)
        for curve, at in ((seen.first, k), (seen.last, k), (seen.first, 0), (seen.first, count))
    )
    many = f" {k}" if k > 1 else ""
    return (
        f"With the first{many} of {count} layers kept, {metric} is {first}; with the last{many}, "
        f"{last}; with none, {none}; with all, {whole}. The layers that are kept were trained "
        "beside the others, so a net that never had those may reach more."
    )


def change_words(seen: Lens) -> str:
    """Which block moves its rows most; "" if none has a carry."""
    changes = {b.name: b.change.median for b in seen.blocks if b.change is not None}
    if not changes:
        return ""
    most = max(changes, key=changes.__getitem__)
    return (
        f"{printable(most)} moves what it carries the most, for half of the rows by at least "
        f"{significant(changes[most])} times its size. A large change need not be a useful one."
    )


def class_words(seen: Lens) -> str:
    """In which layer the gates of classes differ most; "" without classes."""
    apart = {
        name: max(gates.classes.values()) - min(gates.classes.values())
        for name, gates in seen.gated
        if len(gates.classes) > 1
    }
    if not apart:
        return ""
    most = max(apart, key=apart.__getitem__)
    classes = dict(seen.gated)[most].classes
    low, high = min(classes, key=classes.__getitem__), max(classes, key=classes.__getitem__)
    return (
        f"The openings of classes differ most in {printable(most)}: {_share(classes[low])} for "
        f"{printable(low)!r}, {_share(classes[high])} for {printable(high)!r}. A gate that opens "
        "for a class need not be what tells it apart."
    )


def row_words(seen: Lens) -> str:
    """Which row it is, what the model says of it, and how far its gates open."""
    row = seen.row
    if row is None:
        return ""
    text = f"Row {row.row}"
    if row.label is not None:
        text += f", labelled {_short(row.label)},"
    text += f" is answered with {_short(row.answer)}."
    values = [v for steps in row.gates.values() for units in steps for v in units]
    if values:
        wide, some = (sum(v > limit for v in values) / len(values) for limit in (0.5, 0.1))
        text += f" {_share(wide)} of its gates are more than half open, {_share(some)} by more"
        text += " than 10 %."
    return text


def _short(value: object) -> str:
    if isinstance(value, float):
        return significant(value, 4)
    return shortened(printable(str(value)), 40)


def _share(value: float) -> str:
    return f"{100 * value:.3g} %"
