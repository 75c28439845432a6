"""The data contract: what a model's raw rows must look like, and what its answers mean."""

from layerkit.contract.both import DataContract
from layerkit.contract.frames import label_cells
from layerkit.contract.inputs import InputContract, all_finite
from layerkit.contract.outputs import OutputContract
from layerkit.contract.rowforms import as_rows, at_source
from layerkit.contract.scaling import Missing, Scale, fit_fill, fit_scaler

__all__ = [
    "DataContract",
    "InputContract",
    "Missing",
    "OutputContract",
    "Scale",
    "all_finite",
    "as_rows",
    "at_source",
    "fit_fill",
    "fit_scaler",
    "label_cells",
]
