"""Estimators for scikit-learn; needs the extra ``sklearn``.

This room only translates: parameters into a spec (``parameters``), labels into classes of a model
file and back (``labels``), scikit-learn's checks and conventions around ``layerkit.train``
(``base``, ``classifier``, ``regressor``). scikit-learn is imported nowhere else.
"""

from layerkit.errors import MissingExtraError

try:
    from sklearn.utils.validation import validate_data as validate_data  # new in 1.6
except ImportError as cause:
    raise MissingExtraError("scikit-learn>=1.6", "sklearn", "layerkit.sklearn") from cause

from layerkit.sklearn.classifier import LayerkitClassifier
from layerkit.sklearn.regressor import LayerkitRegressor

__all__ = ["LayerkitClassifier", "LayerkitRegressor"]
