"""Training: a spec and rows in, a trained model and its history out."""

from layerkit.training.listen import Listener
from layerkit.training.measure import evaluate
from layerkit.training.rows import judged_rows, splits_of
from layerkit.training.run import Run, resume, train, train_seeds

__all__ = [
    "Listener",
    "Run",
    "evaluate",
    "judged_rows",
    "resume",
    "splits_of",
    "train",
    "train_seeds",
]
