"""The data contract: what a model's raw rows must look like, and what its answers mean."""

from layerkit.datacontract.contract import DataContract
from layerkit.datacontract.convert_rows import as_rows, at_source
from layerkit.datacontract.dataframes import label_cells
from layerkit.datacontract.inputs import InputContract, all_finite
from layerkit.datacontract.outputs import OutputContract
from layerkit.datacontract.scaling import Scale

__all__ = [
    "DataContract",
    "InputContract",
    "OutputContract",
    "Scale",
    "all_finite",
    "as_rows",
    "at_source",
    "label_cells",
]
