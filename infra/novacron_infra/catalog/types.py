"""The types of the catalogue: machines, GPUs, models, weight formats, and the regions that offer machines."""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class Cloud(str, Enum):
    """The clouds in the catalogue."""

    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"


class Architecture(str, Enum):
    """GPU generations with different weight formats; `cpu` is a machine without GPUs."""

    CPU = "cpu"
    AMPERE = "ampere"
    HOPPER = "hopper"
    BLACKWELL = "blackwell"


class FabricKind(str, Enum):
    """How GPUs of different nodes communicate."""

    EFA = "efa"
    TCPX = "tcpx"
    TCPXO = "tcpxo"
    ROCE = "roce"
    INFINIBAND = "infiniband"


class Capacity(str, Enum):
    """How machines are bought."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    """Above a floor of on-demand nodes."""
    RESERVATION = "reservation"
    """A reservation of your own. Azure calls it a capacity reservation group."""
    CAPACITY_BLOCK = "capacity-block"
    """AWS Capacity Blocks for ML: machines for a period that starts and ends on stated dates."""
    FLEX_START = "flex-start"
    """Google Cloud flex-start: machines that arrive when there are some, for seven days at most."""
    QUEUED = "queued"
    """Google Cloud queued provisioning: flex-start machines that arrive all together, for a ProvisioningRequest."""


class EngineKind(str, Enum):
    """The inference engines of a worker."""

    TENSORRT_LLM = "tensorrt-llm"
    PYTORCH = "pytorch"


class Quantization(str, Enum):
    """A width (`int8`, `int4`), which the GPU's generation turns into a weight format, or an exact weight format."""

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
    """The weight formats of checkpoints."""

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
        """Bytes of one value, 1 or 2."""
        return 1 if self is KvCacheType.FP8 else 2


class Entry(BaseModel):
    """Base class of the catalogue's entries: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Sourced(Entry):
    """An entry with the source and the date of its figures."""

    source: Annotated[str, Field(min_length=3)]
    as_of: dt.date


class Clocks(Sourced):
    """The highest application clocks of a GPU model in MHz, for `nvidia-smi -ac`."""

    memory_mhz: PositiveInt
    graphics_mhz: PositiveInt


class Gpu(Sourced):
    """A GPU model. All entries are SXM modules; PCIe cards of the same name have other clocks."""

    name: str
    architecture: Architecture
    memory_mib: PositiveInt
    clocks: Clocks

    @property
    def memory_gib(self) -> float:
        """Memory in GiB."""
        return self.memory_mib / 1024


class Fabric(Entry):
    """The network between GPUs of different nodes. `first_card` is the index of the first network card that has it."""

    kind: FabricKind
    interfaces: PositiveInt
    first_card: int | None = None


class Price(Sourced):
    """The on-demand list price of a machine in one region."""

    usd_per_hour: Annotated[float, Field(gt=0)]
    region: str


class Sale(Sourced):
    """How a cloud sells a machine. `novacron plan` refuses to buy it in any other way.

    Every machine of the catalogue has one (`sold` in machines.yaml). List a capacity only where the source says that
    it is sold so; the source and the date are shown to the user. Capacities per cloud: on-demand, spot, reservation
    everywhere; capacity-block on AWS; flex-start and queued on Google Cloud.
    """

    capacities: Annotated[tuple[Capacity, ...], Field(min_length=1)]
    """The ways in which it is sold, those to suggest first."""
    compact_flex_start: bool = False
    """Google Cloud: whether flex-start nodes can be placed close together (compact placement)."""
    zones: tuple[str, ...] = ()
    """The zones that sell it, where a complete list is known. Empty: any zone of a region may."""


class Machine(Sourced):
    """A machine type. None is a figure that is not verified; `inferred` names figures that no source states."""

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
    sold: Sale | None = None
    """None where no source states it: the plan then accepts every capacity of the cloud."""
    inferred: tuple[str, ...] = ()


class Model(Sourced):
    """The architecture of a decoder-only transformer of the Llama family."""

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
        """Parameters of one embedding table. The output head is a second one unless it is tied."""
        return self.vocabulary * self.hidden

    @property
    def layer_parameters(self) -> int:
        """Parameters of one decoder layer: attention, gated MLP, two norms."""
        attention = 2 * self.hidden * self.head_dim * (self.attention_heads + self.kv_heads)
        return attention + 3 * self.hidden * self.intermediate + 2 * self.hidden


class WeightFormat(Entry):
    """A weight format, and the default format of its KV cache."""

    name: FormatName
    bytes_per_parameter: Annotated[float, Field(gt=0, le=4)]
    kv_cache: KvCacheType


class Quantizations(Sourced):
    """The weight formats, and the engines and architectures that support them."""

    formats: tuple[WeightFormat, ...]
    support: dict[EngineKind, dict[Architecture, tuple[FormatName, ...]]]
    meaning: dict[Quantization, dict[Architecture, FormatName]]
    offer: dict[Architecture, tuple[Quantization, ...]]


class RegionList(Sourced):
    """All regions of a cloud on a date."""

    cloud: Cloud
    names: tuple[str, ...]
    without_zones: tuple[str, ...] = ()
    """Regions without availability zones."""
    zone_letters: dict[str, str] = {}
    """Letters of the zones of a region, where they are not a, b, c and so on."""


class KubernetesVersion(Entry):
    """A minor version of Kubernetes in one cloud."""

    version: Annotated[str, Field(pattern=r"^1\.\d+$")]
    standard_support_until: dt.date | None = None
    """The last day of standard support. None: the source states none."""


class KubernetesList(Sourced):
    """The minor versions of Kubernetes that a cloud offered on a date, oldest first."""

    cloud: Cloud
    service: str
    """Name of the service, for messages."""
    versions: Annotated[tuple[KubernetesVersion, ...], Field(min_length=2)]


class Offered(str, Enum):
    """Whether a region offers a machine."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class OfferList(Sourced):
    """A list of the regions of a cloud that offer machines."""

    cloud: Cloud
    covers: tuple[str, ...] = ()
    """Regions whose machines are all in `offers`. Empty: regions may offer machines that the list lacks."""
    offers: dict[str, tuple[str, ...]]
    """The regions that offer each machine."""


class Offer(Entry):
    """The statement of the lists about a machine in a region."""

    offered: Offered
    source: str
    """Source and date of the list that decides it; empty where none does."""
    other_regions: tuple[str, ...]
    """Other regions that offer the machine."""
