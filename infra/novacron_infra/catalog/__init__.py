"""The dated catalogue: machines and the regions that offer them, regions, GPUs, models, quantisations.

Rows are data files beside this module. Lookups raise `UnknownNameError` with the nearest names; `resolve_quantization`
raises `UnsupportedQuantizationError`.
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
    offer,
    offer_lists,
    offered,
    quantizations,
    region_lists,
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
    Offer,
    Offered,
    OfferList,
    Price,
    Quantization,
    RegionList,
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
    "Offer",
    "OfferList",
    "Offered",
    "Price",
    "Quantization",
    "RegionList",
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
    "offer",
    "offer_lists",
    "offered",
    "quantizations",
    "region_lists",
    "resolve_quantization",
]
