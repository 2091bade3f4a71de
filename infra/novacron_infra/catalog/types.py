"""The types of the catalogue: machines, GPUs, models, weight formats, and the regions that offer machines."""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

Name = Annotated[str, Field(min_length=1, max_length=100)]


class Cloud(str, Enum):
    """The clouds in the catalogue."""

    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"


class Architecture(str, Enum):
    """GPU generations with different weight formats; `cpu` is a machine without GPUs."""

    CPU = "cpu"
    AMPERE = "ampere"
    ADA = "ada"
    HOPPER = "hopper"
    BLACKWELL = "blackwell"
    """In data centres: B200, B300, GB200 (sm100 and sm103)."""
    BLACKWELL_SM120 = "blackwell-sm120"
    """In workstations: RTX PRO 6000."""


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
    FP8_BLOCK = "fp8_block"
    FP8_ROWWISE = "fp8_rowwise"
    NVFP4 = "nvfp4"
    MXFP4 = "mxfp4"
    W4A16_AWQ = "w4a16_awq"
    W4A16_GPTQ = "w4a16_gptq"
    W4A8_AWQ = "w4a8_awq"
    W4A8_GPTQ = "w4a8_gptq"


class FormatName(str, Enum):
    """The weight formats of checkpoints."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    FP8 = "fp8"
    FP8_BLOCK = "fp8_block"
    FP8_ROWWISE = "fp8_rowwise"
    NVFP4 = "nvfp4"
    MXFP4 = "mxfp4"
    W4A16_AWQ = "w4a16_awq"
    W4A16_GPTQ = "w4a16_gptq"
    W4A8_AWQ = "w4a8_awq"
    W4A8_GPTQ = "w4a8_gptq"


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

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Sourced(Entry):
    """An entry with the source and the date of its figures."""

    source: Annotated[str, Field(min_length=3)]
    as_of: dt.date


class Clocks(Sourced):
    """The highest application clocks of a GPU model in MHz, for `nvidia-smi -ac`."""

    memory_mhz: PositiveInt
    graphics_mhz: PositiveInt


class Speed(Sourced):
    """The peak speed of a GPU model: dense matrix products, memory, and links inside a machine."""

    bandwidth_gb_per_s: PositiveFloat
    """GB (10^9 bytes) a second."""
    link_gb_per_s: PositiveFloat
    """GB (10^9 bytes) a second to the other GPUs of the machine, in one direction."""
    bf16_tflops: PositiveFloat
    """10^12 operations a second on 16-bit numbers, which 4-bit weights with 16-bit activations use as well."""
    fp8_tflops: PositiveFloat | None = None
    """None for a GPU that does not compute in FP8."""
    fp4_tflops: PositiveFloat | None = None
    """None for a GPU that does not compute in FP4."""


class Gpu(Sourced):
    """A GPU model. An SXM module and a PCIe card of one name are two models: their clocks and speeds differ."""

    name: Name
    architecture: Architecture
    memory_mib: PositiveInt
    """The memory that the driver reports."""
    clocks: Clocks | None = None
    """None where no source states them: nodes then keep the driver's clocks."""
    speed: Speed | None = None
    """None where no source states it: the plan then cannot compare latencies with it."""
    gke_accelerator: str | None = None
    """The name of the GPU in GKE, such as nvidia-l4. None if Google Cloud does not have it."""

    @property
    def memory_gib(self) -> float:
        """Memory in GiB."""
        return self.memory_mib / 1024


class Fabric(Entry):
    """The network between GPUs of different nodes. `first_card` is the index of the first network card that has it."""

    kind: FabricKind
    interfaces: PositiveInt
    first_card: int | None = None


class Hyperdisk(str, Enum):
    """How a series of Google Cloud takes Hyperdisk Balanced."""

    NONE = "none"
    OPTIONAL = "optional"
    """Persistent disks as well."""
    ONLY = "only"


class GkeMachine(Entry):
    """Properties of a machine of Google Cloud that GKE's node pools need."""

    accelerator: str | None = None
    """The name of the GPU in GKE where it is not the `gke_accelerator` of the GPU model."""
    local_ssds: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """The numbers of local disks that a node can have, the default first. Empty: as `local_nvme_gb` says."""
    hyperdisk: Hyperdisk = Hyperdisk.NONE
    """Whether the series takes Hyperdisk Balanced, and whether it takes persistent disks as well."""


class Price(Sourced):
    """The price of a machine in one region."""

    usd_per_hour: PositiveFloat
    region: str


class PriceList(Sourced):
    """On-demand list prices of a cloud's machines. A region with a price offers the machine."""

    cloud: Cloud
    covers: tuple[str, ...] = ()
    """Regions of which the list has all prices of its machines: without a price there, a machine is not offered."""
    usd_per_hour: dict[str, dict[str, PositiveFloat]]
    """USD per hour by machine and region. The first region of a machine stands in for regions without a price."""
    spot_usd_per_hour: dict[str, dict[str, PositiveFloat]] = {}
    """USD per hour of spot machines on the date, by machine and region. No region stands in for another."""

    @property
    def offers(self) -> dict[str, tuple[str, ...]]:
        """The regions that offer each machine."""
        return {machine: tuple(regions) for machine, regions in self.usd_per_hour.items()}


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

    @property
    def usable(self) -> list[Capacity]:
        """The capacities that a pool can have: spot machines stand above a floor of on-demand machines."""
        on_demand = Capacity.ON_DEMAND in self.capacities
        return [item for item in self.capacities if item is not Capacity.SPOT or on_demand]

    @property
    def reference(self) -> str:
        """The source and its date, as messages show them."""
        return f"({self.source}, {self.as_of})"


class Processor(str, Enum):
    """Instruction sets of CPUs."""

    X86_64 = "x86-64"
    ARM64 = "arm64"


class Machine(Sourced):
    """A machine type. None is a figure that is not verified; `inferred` names figures that no source states."""

    name: Name
    cloud: Cloud
    gpu: str | None = None
    """The name of a GPU model of the catalogue."""
    gpu_count: Annotated[int, Field(ge=0)] = 0
    processor: Processor = Processor.X86_64
    vcpus: PositiveInt
    memory_gib: PositiveFloat
    local_nvme_gb: Annotated[int, Field(ge=0)] | None
    """GB (10^9 bytes) of all local disks together."""
    network_gbps: PositiveFloat | None
    fabric: Fabric | None = None
    gke: GkeMachine = GkeMachine()
    sold: Sale | None = None
    """None where no source states it: the plan then accepts every capacity of the cloud."""
    inferred: tuple[str, ...] = ()

    @property
    def unsupported_because(self) -> str | None:
        """Why no environment can use the machine, as a clause, or None if one can."""
        if self.processor is Processor.ARM64:
            return "its processors are Arm, and the images of coordinators and workers are for x86-64"
        return None


class WeightFormat(Entry):
    """A weight format, and the default format of its KV cache."""

    name: FormatName
    bytes_per_parameter: Annotated[float, Field(gt=0, le=4)]
    kv_cache: KvCacheType
    experts_only: bool = False
    """Whether only the experts have this format, and everything else 2 bytes for each parameter."""


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


class ExtendedSupport(Sourced):
    """The support of a cloud for versions after the end of their standard support. NovaCron does not turn it on."""

    usd_per_cluster_hour: PositiveFloat
    """Price of a cluster in extended support."""
    standard_usd_per_cluster_hour: PositiveFloat
    """Price of a cluster in standard support."""


class KubernetesList(Sourced):
    """The minor versions of Kubernetes that a cloud offered on a date, oldest first."""

    cloud: Cloud
    service: str
    """Name of the service, for messages."""
    extended_support: ExtendedSupport
    versions: Annotated[tuple[KubernetesVersion, ...], Field(min_length=2)]
    """Versions that the cloud creates clusters with until the end of their standard support."""


class Offered(str, Enum):
    """Whether a region offers a machine."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class OfferList(Sourced):
    """A list of the regions of a cloud that offer machines."""

    cloud: Cloud
    covers: tuple[str, ...] = ()
    """Regions that the list has for all of its machines: a machine is not offered there unless the list says so."""
    offers: dict[str, tuple[str, ...]]
    """The regions that offer each machine."""


class Offer(Entry):
    """The statement of the lists about a machine in a region."""

    offered: Offered
    source: str
    """Source and date of the list that decides it; empty where none does."""
    other_regions: tuple[str, ...]
    """Other regions that offer the machine."""
