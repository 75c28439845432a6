"""Categories that a spec leaves to be learned: those of the training rows, and of no others."""

from __future__ import annotations

from collections.abc import Mapping

from layerkit.core.rows import Rows
from layerkit.datacontract import at_source
from layerkit.datacontract.encoder import learned
from layerkit.specs import Spec, as_spec
from layerkit.training.prepare import split_all
from layerkit.training.recipe import Recipe


def explicit_spec(
    spec: Spec, splits: Mapping[str, Rows], *, validation_rows: Rows | None = None
) -> Spec:
    """``spec`` with the categories of the rows that a training on ``splits`` learns from.

    Rows held out, by the recipe or as ``validation_rows``, are not looked at. Raises DataError if a
    column has no categories, SpecError if the layers do not fit the width they give.
    """
    if not spec.learns:
        return spec
    recipe = Recipe.of(spec)
    rows, _, _ = split_all(
        spec, splits, recipe.loss, seed=recipe.seed, validation_rows=validation_rows
    )
    with at_source(rows):
        columns = learned(spec.input["columns"], rows, spec.input["missing_values"])
    return as_spec(spec.with_columns(columns).to_document())
