"""Training of models: run, resume, evaluate."""

from layerkit.core.callback import Listener
from layerkit.training.evaluation import evaluate
from layerkit.training.folds import CrossValidation, cross_validate
from layerkit.training.run import resume, train, train_seeds
from layerkit.training.run_result import Run
from layerkit.training.training_data import judged_rows, splits_of

__all__ = [
    "CrossValidation",
    "Listener",
    "Run",
    "cross_validate",
    "evaluate",
    "judged_rows",
    "resume",
    "splits_of",
    "train",
    "train_seeds",
]
