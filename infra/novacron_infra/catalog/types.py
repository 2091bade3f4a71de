"""The catalogue's types: what a machine, a GPU, a model and a weight format are. Data and loading are elsewhere."""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class Cloud(str, Enum):
    """The clouds that the catalogue knows."""

    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"


class Architecture(str, Enum):
    """GPU generations, as far as weight formats differ by them; `cpu` is a machine without GPU."""

    CPU = "cpu"
    AMPERE = "ampere"
    HOPPER = "hopper"
    BLACKWELL = "blackwell"


class FabricKind(str, Enum):
    """How GPUs of different nodes talk to each other."""

    EFA = "efa"
    TCPX = "tcpx"
    TCPXO = "tcpxo"
    ROCE = "roce"
    INFINIBAND = "infiniband"


class EngineKind(str, Enum):
    """The inference engines that a worker runs."""

    TENSORRT_LLM = "tensorrt-llm"
    PYTORCH = "pytorch"


class Quantization(str, Enum):
    """What a user may ask for: a width (`int8`, `int4`), which the GPU gives its meaning, or an exact format."""

    INT8 = "int8"
    INT4 = "int4"
    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    FP8 = "fp8"
    W4A16_AWQ = "w4a16_awq"
    W4A16_GPTQ = "w4a16_gptq"
    W4A8_AWQ = "w4a8_awq"
    NVFP4 = "nvfp4"


class FormatName(str, Enum):
    """The weight formats that exist as checkpoints."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    FP8 = "fp8"
    W4A16_AWQ = "w4a16_awq"
    W4A16_GPTQ = "w4a16_gptq"
    W4A8_AWQ = "w4a8_awq"
    NVFP4 = "nvfp4"


class KvCacheType(str, Enum):
    """The number format of the KV cache."""

    BF16 = "bf16"
    FP8 = "fp8"

    @property
    def bytes_per_value(self) -> int:
        """2 or 1."""
        return 1 if self is KvCacheType.FP8 else 2


class Row(BaseModel):
    """Frozen, and no key that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Sourced(Row):
    """A row that says where its figures are from and of which day they are."""

    source: Annotated[str, Field(min_length=3)]
    as_of: dt.date


class Clocks(Sourced):
    """The highest application clocks that a GPU model supports, MHz, as `nvidia-smi -ac` takes them."""

    memory_mhz: PositiveInt
    graphics_mhz: PositiveInt


class Gpu(Sourced):
    """A GPU model. All rows are SXM modules; the PCIe cards of the same name have other clocks."""

    name: str
    architecture: Architecture
    memory_mib: PositiveInt
    clocks: Clocks

    @property
    def memory_gib(self) -> float:
        """Memory in GiB."""
        return self.memory_mib / 1024


class Fabric(Row):
    """The network between GPUs of different nodes. `first_card` is the first network card that carries it."""

    kind: FabricKind
    interfaces: PositiveInt
    first_card: int | None = None


class Price(Sourced):
    """On-demand list price of one machine in one region."""

    usd_per_hour: Annotated[float, Field(gt=0)]
    region: str


class Machine(Sourced):
    """A machine type. `None` is a figure nobody verified; `inferred` names figures that no source states."""

    name: str
    cloud: Cloud
    gpu: str | None = None
    gpu_count: Annotated[int, Field(ge=0)] = 0
    vcpus: PositiveInt
    memory_gib: Annotated[float, Field(gt=0)]
    local_nvme_gb: Annotated[int, Field(ge=0)] | None
    network_gbps: Annotated[float, Field(gt=0)] | None
    fabric: Fabric | None = None
    price: Price | Literal["no public price"]
    inferred: tuple[str, ...] = ()


class Model(Sourced):
    """The shape of a decoder-only transformer of the Llama family."""

    name: str
    layers: PositiveInt
    hidden: PositiveInt
    intermediate: PositiveInt
    attention_heads: PositiveInt
    kv_heads: PositiveInt
    head_dim: PositiveInt
    vocabulary: PositiveInt
    tied_embeddings: bool
    max_context_tokens: PositiveInt
    parameters: PositiveInt

    @property
    def embedding_parameters(self) -> int:
        """Parameters of one embedding table; the output head is a second one unless tied."""
        return self.vocabulary * self.hidden

    @property
    def layer_parameters(self) -> int:
        """Parameters of one decoder layer: attention, gated MLP, two norms."""
        attention = 2 * self.hidden * self.head_dim * (self.attention_heads + self.kv_heads)
        return attention + 3 * self.hidden * self.intermediate + 2 * self.hidden


class WeightFormat(Row):
    """A weight format, and the KV cache that goes with it unless the user says otherwise."""

    name: FormatName
    bytes_per_parameter: Annotated[float, Field(gt=0, le=4)]
    kv_cache: KvCacheType


class Quantizations(Sourced):
    """Formats, and which engine runs which of them on which architecture."""

    formats: tuple[WeightFormat, ...]
    support: dict[EngineKind, dict[Architecture, tuple[FormatName, ...]]]
    meaning: dict[Quantization, dict[Architecture, FormatName]]
    offer: dict[Architecture, tuple[Quantization, ...]]


class RegionList(Sourced):
    """All regions of a cloud, as of a day."""

    cloud: Cloud
    names: tuple[str, ...]


class Offered(str, Enum):
    """Whether a region has a machine."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class OfferList(Sourced):
    """A list of which regions of a cloud offer which machines."""

    cloud: Cloud
    covers: tuple[str, ...] = ()
    """Regions whose machines are all in `offers`; none: what is missing may be offered all the same."""
    offers: dict[str, tuple[str, ...]]
    """Regions by machine."""


class Offer(Row):
    """What the lists know of a machine in a region."""

    offered: Offered
    source: str
    """Source and day of the list that says yes or no; empty where none does."""
    other_regions: tuple[str, ...]
    """Other regions that offer the machine."""
