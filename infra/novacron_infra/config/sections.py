"""The parts of an environment: every value that a stack's file may hold, with its unit in its name."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from novacron_infra.catalog import EngineKind, KvCacheType, Quantization

Fraction = Annotated[float, Field(ge=0, le=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=0, le=10_000)]
Instances = Annotated[int, Field(gt=0, le=10_000)]
Name = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Frozen, strict, and no key that nobody reads."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class EnvironmentName(str, Enum):
    """The environments that run in a cloud."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


class Platform(str, Enum):
    """Where an environment runs."""

    LOCAL = "local"
    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"


class CoordinatorMode(str, Enum):
    """How several coordinators share the work."""

    SINGLE = "single"
    HIGHLY_AVAILABLE = "highly-available"
    ACTIVE_ACTIVE_STANDBY = "active-active-standby"


class Hardware(Section):
    """What one coordinator, worker or storage node is wished to have; the plan compares it with the machine."""

    cores: PositiveInt
    """CPU cores."""
    memory_gib: PositiveFloat
    """Main memory."""
    nvme_tb: PositiveFloat
    """Local NVMe, 10^12 bytes."""
    network_gbps: PositiveFloat
    """Network bandwidth, 10^9 bits a second."""


class Resources(Section):
    """Requests and limits of a container."""

    cpu_request: PositiveFloat
    """CPUs that the scheduler sets aside."""
    cpu_limit: PositiveFloat
    """CPUs at most."""
    memory_request_gib: PositiveFloat
    """Memory that the scheduler sets aside."""
    memory_limit_gib: PositiveFloat
    """Memory at most."""


class Coordinators(Section):
    """The coordinators."""

    count: Instances
    """Coordinators of each region."""
    mode: CoordinatorMode
    machine: Name
    """A machine of the catalogue."""
    hardware: Hardware
    resources: Resources = Resources(cpu_request=16, cpu_limit=32, memory_request_gib=64, memory_limit_gib=128)
    http_port: Port = 8080
    """HTTP API."""
    grpc_port: Port = 9090
    """Where workers register."""


class WorkerCounts(Section):
    """How many workers there are, and between which bounds."""

    count: Instances
    """Workers at the start."""
    minimum: Instances
    """Never fewer workers than this."""
    maximum: Instances
    """Autoscaling stops here."""


class Workers(WorkerCounts):
    """Capacity units of `gpus_per_worker` GPUs each; how many machines that takes is derived from the catalogue.

    The counts are the environment's: its regions share them, see `Region.workers`.
    """

    gpus_per_worker: Annotated[int, Field(gt=0, le=64)]
    """GPUs of one worker."""
    machine: Name
    """A GPU machine of the catalogue."""
    hardware: Hardware
    """Per worker, not per machine."""
    resources: Resources = Resources(cpu_request=32, cpu_limit=64, memory_request_gib=256, memory_limit_gib=512)
    shared_memory_gib: PositiveFloat = 32
    """Memory-backed /dev/shm of each pod."""
    spot_fraction: Annotated[float, Field(ge=0, le=0.7)] = 0.0
    """Part of the workers that may run on spot capacity, 0.7 at most."""
    coordination_port: Port = 9091
    """Coordination between workers."""
    tensor_port: Port = 9092
    """Tensor traffic between workers."""


class StorageNodes(Section):
    """Storage nodes of the whole environment; its regions share them as they share the workers."""

    count: Instances
    """Storage nodes of all regions."""
    machine: Name
    """A machine of the catalogue."""
    hardware: Hardware


class ProfileName(str, Enum):
    """Why a replica has the quantisation that it has."""

    BALANCED = "balanced"
    QUALITY = "quality"
    MEMORY = "memory"


class Profile(Section):
    """A kind of replica. The first profile takes the GPUs that the minima of the others leave."""

    name: ProfileName
    quantization: Quantization
    minimum_replicas: Count
    """Never fewer in all regions; 0: started on demand."""
    tensor_parallel: PositiveInt | None = None
    """GPUs of one node that share each layer; none: the smallest that fits."""
    pipeline_parallel: PositiveInt | None = None
    """Nodes that share the layers; none: the smallest that fits."""


class Loader(Section):
    """How weights come from the model store."""

    timeout_s: PositiveInt = 600
    """For one replica, all retries included."""
    retries: Annotated[int, Field(ge=0, le=100)] = 3
    """Further attempts after a failed read."""
    parallel: Annotated[int, Field(gt=0, le=1024)] = 8
    """Files that are read at once."""


class StoreKind(str, Enum):
    """Kinds of model store."""

    S3 = "s3"
    GCS = "gcs"
    AZURE = "azure"
    NFS = "nfs"
    EFS = "efs"


OWN_STORE = {Platform.AWS: StoreKind.S3, Platform.GCP: StoreKind.GCS, Platform.AZURE: StoreKind.AZURE}
"""The object storage of each cloud."""


class ModelStore(Section):
    """Where the weights lie."""

    kind: StoreKind
    """s3, gcs, azure: a bucket in each region, in the object storage of the environment's cloud. efs: on AWS, an EFS
    file system in each region, copied from the first to one other. nfs: a server that exists, or on Google Cloud and
    Azure the cloud's own (Filestore, Azure Files) in each region, not copied."""
    bucket: Name | None = None
    """s3, gcs: the bucket. azure: account/container. nfs: server:/export of a server that exists and that every region
    mounts; none: each region gets one, which AWS does not have. efs: id of the first region's file system, which exists
    and has no mount targets yet; none: it is made."""
    prefix: Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*)?$")] = "models"
    """Folder below it, without leading or closing slash; empty for the whole bucket."""
    configuration_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")] = "configuration"
    """Folder beside it, without leading or closing slash: quality policy, manifests of served models, routing."""

    @property
    def model_names(self) -> str:
        """What the names of the models' objects begin with."""
        return f"{self.prefix}/" if self.prefix else ""

    @property
    def configuration_names(self) -> str:
        """What the names of the configuration's objects begin with."""
        return f"{self.configuration_prefix}/"

    def bucket_in(self, region: str, primary: str) -> str | None:
        """The region's copy: such names are the whole world's, so each region's bucket, or account, has its own."""
        if region == primary or self.bucket is None or self.kind is StoreKind.NFS:
            return self.bucket
        if self.kind is StoreKind.EFS:
            return None
        if self.kind is StoreKind.AZURE:
            account, _, container = self.bucket.partition("/")
            return f"{account}{region}/{container}"
        return f"{self.bucket}-{region}"


class ModelServing(Section):
    """The model, and how it is served."""

    id: Name
    """A model of the catalogue."""
    engine: EngineKind = EngineKind.TENSORRT_LLM
    context_tokens: PositiveInt
    """Longest prompt and answer together."""
    profiles: Annotated[tuple[Profile, ...], Field(min_length=1)]
    """Kinds of replicas; the first serves by default."""
    minimum_concurrent_sequences: PositiveInt = 1
    """Sequences of the whole context that one replica must hold at once."""
    max_batch_tokens: PositiveInt = 8192
    """Tokens of one engine step (max_num_tokens)."""
    kv_cache: KvCacheType | None = None
    """Number format of the KV cache; none: the one that goes with the weights."""
    kv_cache_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Of the memory that is free once the weights are loaded."""
    store: ModelStore
    loader: Loader = Loader()


class Percentiles(Section):
    """A latency at two percentiles, seconds."""

    p50: PositiveFloat
    """The median."""
    p95: PositiveFloat
    """The 95th percentile."""


class Range(Section):
    """From and to, both included; no `maximum` is no upper bound."""

    minimum: PositiveFloat
    """At least."""
    maximum: PositiveFloat | None = None
    """At most; none: no bound."""


class Targets(Section):
    """What the environment promises."""

    time_to_first_token_s: Percentiles
    inter_token_latency_s: Percentiles
    throughput_tokens_per_s: Range
    quality_fraction: Range
    """Against FP32."""
    weights_in_use_gb: Range
    """Weights of the minimum replicas, 10^9 bytes."""
    availability_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Part of the year: 0.999 leaves 8.76 hours."""

    @property
    def unavailable_h_per_year(self) -> float | None:
        """Hours a year that the availability leaves."""
        return None if self.availability_fraction is None else (1 - self.availability_fraction) * 8760


class Trigger(Section):
    """A utilisation that must last."""

    utilization_fraction: Fraction
    """Of the workers, 0 to 1."""
    for_s: PositiveInt
    """How long it must last."""


class Autoscaling(Section):
    """When workers are added and removed."""

    scale_up: Trigger = Trigger(utilization_fraction=0.8, for_s=300)
    scale_down: Trigger = Trigger(utilization_fraction=0.4, for_s=900)
    ceiling_workers: PositiveInt = 256
    """The highest workers.maximum that a person may set."""
    cpu_target_fraction: Fraction = 0.8
    """CPU utilisation that the horizontal pod autoscaler aims at."""
    gpu_target_fraction: Fraction = 0.85
    """GPU utilisation that it aims at."""


class Caches(Section):
    """The three cache levels of each region; caches stay local."""

    memory_gib: PositiveInt = 64
    """L1, in the memory of each coordinator."""
    distributed_gib: PositiveInt = 2048
    """L2, in the memory of the Redis cluster."""
    persistent_gib: PositiveInt = 20480
    """L3, on disks."""


class Monitoring(Section):
    """Metrics and dashboards."""

    scrape_interval_s: PositiveInt = 15
    """Of Prometheus."""
    retention_days: PositiveInt = 30
    """Of Prometheus."""
    grafana: bool = True
    """Grafana with its dashboards; its password is a secret."""


class Data(Section):
    """Postgres and the Redis-compatible service of each region; their passwords are secrets."""

    postgres_storage_gib: PositiveInt = 1024
    """Disk of Postgres."""
    redis_nodes: Annotated[int, Field(gt=0, le=500)] = 6
    """1: no cluster. Else at least three primaries, each with one replica: an even number from 6."""


class Image(Section):
    """A container image; `digest` pins it."""

    repository: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._:/-]*$")]
    """Registry and path, without tag."""
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
    """A version; never latest without a digest."""
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    """sha256:… of the image index."""

    @property
    def reference(self) -> str:
        """As Kubernetes takes it."""
        return f"{self.repository}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


class Images(Section):
    """Images of the serving stack."""

    coordinator: Image = Image(repository="novacron/coordinator", tag="0.1.0")
    worker: Image = Image(repository="novacron/worker", tag="0.1.0")
    nvidia_device_plugin: Image = Image(repository="nvcr.io/nvidia/k8s-device-plugin", tag="v0.17.1")
    """AWS only, with `clusters.in_cluster`. State the digest that you tested: the policies ask for it."""
    efa_device_plugin: Image = Image(repository="public.ecr.aws/eks/aws-efa-k8s-device-plugin", tag="v0.5.20")
    """AWS only, where workers have EFA. 0.5.10 or later: earlier ones miscount the devices of p6-b200."""


class Clusters(Section):
    """The Kubernetes clusters, one in each region. Their API is private unless `public_networks` says for whom not."""

    version: Annotated[str, Field(pattern=r"^1\.\d{2}$")] = "1.34"
    """Minor version of Kubernetes."""
    admins: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Who administrates them, as the cloud names them: ARNs of IAM roles or users on AWS, `group:` or `user:` and an
    address on Google Cloud, object ids of Entra groups on Azure."""
    public_networks: tuple[Name, ...] = ()
    """IPv4 networks from which the API is reached over the internet; none: from nowhere."""
    in_cluster: bool = False
    """Whether storage classes and device plugins are made in the clusters. `up` then has to reach each API: run it in
    the network, or from one of `public_networks`. Off: all that is outside of the clusters is made, and no GPU is
    counted on AWS until a device plugin is there."""


class Accounts(Section):
    """Whose the resources are, where the clouds' own configuration does not say it."""

    aws_account_id: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    """Account of the regions on AWS; none: every run asks each region's STS, and ends where it is dead."""
    google_project: Name | None = None
    """Project of the regions on Google Cloud."""
    azure_subscription_id: Name | None = None
    """Subscription of the regions on Azure."""


class Alarms(Section):
    """Who is told when copies of models or configuration are late; nobody: the alarm shows in the cloud's console."""

    aws_topic_arns: tuple[Name, ...] = ()
    """ARNs of SNS topics in the first region on AWS."""
    google_channels: tuple[Name, ...] = ()
    """Notification channels of Cloud Monitoring: projects/…/notificationChannels/…"""
    azure_action_groups: tuple[Name, ...] = ()
    """Resource ids of action groups."""


class Elsewhere(Section):
    """What a region needs of its own because another cloud than the environment's has it."""

    platform: Literal[Platform.AWS, Platform.GCP, Platform.AZURE]
    """The region's cloud."""
    nearest: Name
    """The region of the environment's cloud, whose DNS answers, that is nearest to it."""
    coordinators: Name
    """A machine of that cloud."""
    workers: Name
    """A machine of that cloud with the GPUs of `workers.machine`: a worker is the same everywhere."""
    storage: Name | None = None
    """A machine of that cloud; needed where there are storage nodes."""
    admins: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Who administrates the cluster, as that cloud names them."""
    store_kind: StoreKind | None = None
    """None: that cloud's object storage. Or nfs, on AWS also efs, as in `model.store`."""
    bucket: Name | None = None
    """The region's own model store, written as in `model.store`; only nfs and efs can do without. Models get there as
    `model.store` gets them: nothing here copies between clouds."""


class Region(Section):
    """A region that serves; the first is the primary."""

    name: Name
    """The cloud's name of the region."""
    new: bool = False
    """Whether the cloud has opened it since the catalogue's list of its regions was made."""
    dns_label: Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$")]
    """Regional name below the domain."""
    weight: Annotated[int, Field(ge=0, le=255)]
    """Share of the traffic, relative to the other regions; 0: none, until others are dead."""
    zones: tuple[Name, ...] = ()
    """Availability zones, the preferred one first: workers whose replicas span nodes all stand there. AWS needs two or
    three, Google one or more, Azure none."""
    network: Name | None = None
    """The private IPv4 network of the region, such as 10.0.0.0/16: needed, and each region has its own."""
    bucket: Name | None = None
    """nfs, efs: what exists in this region, server:/export or the file system's id; none: as `model.store` has it. Of
    the first region `model.store.bucket` says it, of one in another cloud `elsewhere.bucket`."""
    workers: WorkerCounts | None = None
    """Of the environment's workers; none: by weight, in whole machines. Every region has it or none."""
    elsewhere: Elsewhere | None = None
    """For a region of another cloud than the environment's."""

    def platform(self, environment: Platform) -> Platform:
        """The region's cloud, in an environment whose cloud is `environment`."""
        return self.elsewhere.platform if self.elsewhere else environment

    def machine(self, role: str, environment: str) -> str | None:
        """The region's machine of a role, in an environment whose own is `environment`; None: elsewhere names none."""
        own: str | None = getattr(self.elsewhere, role) if self.elsewhere else environment
        return own


class HealthCheck(Section):
    """How a region is found dead. The probe's timeout is the provider's."""

    interval_s: PositiveInt = 30
    """Between two probes: 10 or 30 with Route 53 and Traffic Manager, 30 or more with Cloud DNS."""
    timeout_s: PositiveInt | None = None
    """None: the provider's. Route 53 has its own, 6 s; the others use 5 s unless told."""
    failure_threshold: Annotated[int, Field(ge=2, le=10)] = 3
    """Failures in a row until a region counts as dead."""


class Traffic(Section):
    """Global DNS."""

    domain: Name = "api.novacron.ai"
    """The name that clients use; regional names lie below it."""
    zone: Name | None = None
    """The DNS zone that holds the domain; none: the domain without its first label."""
    existing_zone: Name | None = None
    """Of a zone that exists: its id on Route 53, its managed zone on Cloud DNS, its resource group on Azure. None: the
    zone is made, and the parent zone has to delegate to it."""
    drain_switch: bool = False
    """Route 53 only, billed by the hour: switches that take a region out of all answers without an update."""
    ttl_s: Annotated[int, Field(ge=1, le=86400)] = 60
    """How long resolvers keep an answer; prod allows 60 at most."""
    rto_target_s: PositiveInt | None = None
    """The longest that a dead region may keep its traffic; a plan that takes longer is rejected."""
    health_check: HealthCheck = HealthCheck()
