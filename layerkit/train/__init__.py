"""Training: a spec and rows in, a trained model and its history out."""

from layerkit.train.listen import Listener
from layerkit.train.measure import evaluate
from layerkit.train.run import Run, train, train_seeds

__all__ = ["Listener", "Run", "evaluate", "train", "train_seeds"]
