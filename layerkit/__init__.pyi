"""The public names of layerkit and where each is defined.

Type checkers read this file; ``__init__.py`` takes ``__all__`` and its lazy imports from it.
"""

from layerkit.codec import Limits as Limits
from layerkit.codec import load_tensors as load_tensors
from layerkit.comparison import compare as compare
from layerkit.comparison import compare_across as compare_across
from layerkit.core.callback import (
    Callback as Callback,
)
from layerkit.core.callback import (
    Listener as Listener,
)
from layerkit.core.callback import (
    Training as Training,
)
from layerkit.core.context import Array as Array
from layerkit.core.context import Context as Context
from layerkit.core.context import Shape as Shape
from layerkit.core.domains import (
    merged_takes as merged_takes,
)
from layerkit.core.domains import (
    moves_of as moves_of,
)
from layerkit.core.domains import (
    takes_of as takes_of,
)
from layerkit.core.executor_source import ExecutorSource as ExecutorSource
from layerkit.core.history import History as History
from layerkit.core.layer import (
    Layer as Layer,
)
from layerkit.core.layer import (
    Param as Param,
)
from layerkit.core.layer import (
    Plan as Plan,
)
from layerkit.core.layer import (
    Whole as Whole,
)
from layerkit.core.optimizer import Optimizer as Optimizer
from layerkit.core.parts import (
    Activation as Activation,
)
from layerkit.core.parts import (
    DataSource as DataSource,
)
from layerkit.core.parts import (
    Exporter as Exporter,
)
from layerkit.core.parts import (
    Importer as Importer,
)
from layerkit.core.parts import (
    Initializer as Initializer,
)
from layerkit.core.parts import (
    Loss as Loss,
)
from layerkit.core.parts import (
    Metric as Metric,
)
from layerkit.core.parts import Part as Part
from layerkit.core.parts import (
    Reader as Reader,
)
from layerkit.core.parts import (
    Renderer as Renderer,
)
from layerkit.core.parts import (
    Schedule as Schedule,
)
from layerkit.core.parts import (
    Weights as Weights,
)
from layerkit.core.planning import (
    PlannedLayer as PlannedLayer,
)
from layerkit.core.planning import (
    chain as chain,
)
from layerkit.core.planning import (
    side_by_side as side_by_side,
)
from layerkit.core.rows import Rows as Rows
from layerkit.core.search import (
    Dimension as Dimension,
)
from layerkit.core.search import (
    Search as Search,
)
from layerkit.core.search import (
    Trial as Trial,
)
from layerkit.data import load_data as load_data
from layerkit.data import read_rows as read_rows
from layerkit.discovery.registry import (
    activation as activation,
)
from layerkit.discovery.registry import (
    initializer as initializer,
)
from layerkit.discovery.registry import (
    optimizer as optimizer,
)
from layerkit.discovery.registry import (
    register as register,
)
from layerkit.discovery.registry import (
    schedule as schedule,
)
from layerkit.doctor import Diagnosis as Diagnosis
from layerkit.doctor import diagnose as diagnose
from layerkit.errors import (
    CallbackError as CallbackError,
)
from layerkit.errors import (
    CorruptFileError as CorruptFileError,
)
from layerkit.errors import (
    DataError as DataError,
)
from layerkit.errors import (
    DataSourceError as DataSourceError,
)
from layerkit.errors import (
    DeviceError as DeviceError,
)
from layerkit.errors import (
    ExportError as ExportError,
)
from layerkit.errors import (
    LayerkitError as LayerkitError,
)
from layerkit.errors import (
    LimitExceededError as LimitExceededError,
)
from layerkit.errors import (
    MalformedFileError as MalformedFileError,
)
from layerkit.errors import (
    MissingExtraError as MissingExtraError,
)
from layerkit.errors import (
    ModelFileError as ModelFileError,
)
from layerkit.errors import (
    NotAModelFileError as NotAModelFileError,
)
from layerkit.errors import (
    PathError as PathError,
)
from layerkit.errors import (
    PluginAmbiguousError as PluginAmbiguousError,
)
from layerkit.errors import (
    PluginError as PluginError,
)
from layerkit.errors import (
    PluginLoadError as PluginLoadError,
)
from layerkit.errors import (
    PluginMissingError as PluginMissingError,
)
from layerkit.errors import (
    PluginNotAllowedError as PluginNotAllowedError,
)
from layerkit.errors import (
    PluginVersionError as PluginVersionError,
)
from layerkit.errors import (
    SelfTestError as SelfTestError,
)
from layerkit.errors import (
    ShapeError as ShapeError,
)
from layerkit.errors import (
    SpecError as SpecError,
)
from layerkit.errors import (
    StudyError as StudyError,
)
from layerkit.errors import (
    TensorMismatchError as TensorMismatchError,
)
from layerkit.errors import (
    TrainingDivergedError as TrainingDivergedError,
)
from layerkit.errors import (
    TruncatedFileError as TruncatedFileError,
)
from layerkit.errors import (
    UnknownTypeError as UnknownTypeError,
)
from layerkit.errors import (
    UnsupportedFormatError as UnsupportedFormatError,
)
from layerkit.errors import (
    WeightsError as WeightsError,
)
from layerkit.evaluation import (
    EvaluationReport as EvaluationReport,
)
from layerkit.evaluation import (
    report as report,
)
from layerkit.exporting import export as export
from layerkit.file.diff import diff as diff
from layerkit.file.inspection import inspect as inspect
from layerkit.file.load import load as load
from layerkit.file.save import save as save
from layerkit.file.upgrade import upgrade as upgrade
from layerkit.health import Finding as Finding
from layerkit.importing import import_weights as import_weights
from layerkit.model import Model as Model
from layerkit.model import build as build
from layerkit.profile import spec_init as spec_init
from layerkit.specs import Spec as Spec
from layerkit.studies import Matched as Matched
from layerkit.studies import Study as Study
from layerkit.studies import match_widths as match_widths
from layerkit.studies import study as study
from layerkit.training import (
    CrossValidation as CrossValidation,
)
from layerkit.training import (
    Run as Run,
)
from layerkit.training import (
    cross_validate as cross_validate,
)
from layerkit.training import (
    evaluate as evaluate,
)
from layerkit.training import (
    resume as resume,
)
from layerkit.training import (
    train as train,
)
from layerkit.training import (
    train_seeds as train_seeds,
)

__version__: str
__all__: list[str]
