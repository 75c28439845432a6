"""Training epoch by epoch on rows that come in pieces, with the optimizer's state kept."""

from __future__ import annotations

from layerkit.core.callback import Listener
from layerkit.core.rows import Rows
from layerkit.model import Model
from layerkit.training.callbacks import Callbacks
from layerkit.training.prepare import prepare
from layerkit.training.recipe import Recipe
from layerkit.training.run_result import Run
from layerkit.training.session import Session


def train_one_epoch(model: Model, rows: Rows, *, listener: Listener | None = None) -> Run:
    """Train ``model`` in place for one epoch on ``rows``, whatever it was trained on before.

    All rows are trained on, at the optimizer's rate: ``train.validation``, ``early_stopping``,
    ``callbacks``, ``schedule``, ``teacher`` and ``hints`` are taken out of its recipe. Calls on the
    same rows give the bits of one training of as many epochs. The optimizer goes on where it was,
    unless early stopping put back earlier weights. Raises as ``train`` does.
    """
    training = model.leftovers.training or {"epoch": 0, "callbacks": {}}
    done: int = training["epoch"]
    epochs = max((model.spec.train or {}).get("epochs", 0), done + 1)
    model.spec = model.spec.with_train(
        epochs=epochs,
        validation=0.0,
        early_stopping=None,
        callbacks=[],
        schedule="constant",
        teacher=None,
        hints=[],
    )
    recipe = Recipe.of(model.spec)
    prepared = prepare(model, {"train": rows}, recipe.loss, seed=recipe.seed)
    kept = done > 0 and "early_stopping" not in training["callbacks"]
    told = Callbacks([listener or Listener(), _OneEpoch()])
    session = Session(model, recipe, prepared, told, resumed=kept, done=done, same_rows=False)
    return session.run()


class _OneEpoch(Listener):
    """Stops the training after the last batch of an epoch."""

    def __init__(self) -> None:
        self.over = False

    def batch(self, done: int, rows: int) -> None:
        self.over = done == rows

    def stop(self) -> bool:
        return self.over
