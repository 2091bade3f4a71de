"""The dated catalogue: machines, GPUs, models, quantisations. Rows are data files beside this module.

Lookups raise `UnknownNameError` with the nearest names; `resolve_quantization` raises `UnsupportedQuantizationError`.
"""

from novacron_infra.catalog.errors import CatalogError, UnknownNameError, UnsupportedQuantizationError
from novacron_infra.catalog.hugging_face import model_from_folder
from novacron_infra.catalog.lookup import (
    gpu,
    gpus,
    machine,
    machines,
    model,
    models,
    offered,
    quantizations,
    resolve_quantization,
)
from novacron_infra.catalog.types import (
    Architecture,
    Clocks,
    Cloud,
    EngineKind,
    Fabric,
    FabricKind,
    FormatName,
    Gpu,
    KvCacheType,
    Machine,
    Model,
    Price,
    Quantization,
    WeightFormat,
)

__all__ = [
    "Architecture",
    "CatalogError",
    "Clocks",
    "Cloud",
    "EngineKind",
    "Fabric",
    "FabricKind",
    "FormatName",
    "Gpu",
    "KvCacheType",
    "Machine",
    "Model",
    "Price",
    "Quantization",
    "UnknownNameError",
    "UnsupportedQuantizationError",
    "WeightFormat",
    "gpu",
    "gpus",
    "machine",
    "machines",
    "model",
    "model_from_folder",
    "models",
    "offered",
    "quantizations",
    "resolve_quantization",
]
