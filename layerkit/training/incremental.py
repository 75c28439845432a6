"""Training epoch by epoch on rows that come in pieces, with the optimizer's state kept."""

from __future__ import annotations

from collections.abc import Mapping

from layerkit.core.rows import Rows
from layerkit.model import Model
from layerkit.training.listener import Listener
from layerkit.training.prepare import prepare
from layerkit.training.recipe import Recipe
from layerkit.training.session import Run, Session


def train_one_epoch(model: Model, rows: Rows, *, listener: Listener | None = None) -> Run:
    """Train ``model`` in place for one epoch on ``rows``, whatever it was trained on before.

    All rows are trained on, at the optimizer's rate: ``train.validation``, ``early_stopping`` and
    ``schedule`` are taken out of its recipe. Calls on the same rows give the bits of one training
    of as many epochs. The optimizer goes on where it was, unless early stopping put back earlier
    weights. Raises as ``train`` does.
    """
    training = model.leftovers.training or {"epoch": 0, "callbacks": {}}
    done: int = training["epoch"]
    epochs = max((model.spec.train or {}).get("epochs", 0), done + 1)
    model.spec = model.spec.with_train(
        epochs=epochs, validation=0.0, early_stopping=None, schedule="constant"
    )
    recipe = Recipe.of(model.spec)
    prepared = prepare(model, {"train": rows}, recipe.loss, seed=recipe.seed)
    kept = done > 0 and "early_stopping" not in training["callbacks"]
    one = _OneEpoch(listener or Listener())
    session = Session(model, recipe, prepared, one, resumed=kept, done=done, same_rows=False)
    return session.run()


class _OneEpoch(Listener):
    """Stops after the last batch of an epoch, and passes on what it is told."""

    def __init__(self, told: Listener) -> None:
        self.told = told
        self.over = False

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        self.told.begin(name, seed=seed, epochs=epochs, rows=rows)

    def batch(self, done: int, rows: int) -> None:
        self.over = done == rows
        self.told.batch(done, rows)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        self.told.epoch(epoch, values)

    def notice(self, text: str) -> None:
        self.told.notice(text)

    def end(self, seconds: float) -> None:
        self.told.end(seconds)

    def stop(self) -> bool:
        return self.over or self.told.stop()
