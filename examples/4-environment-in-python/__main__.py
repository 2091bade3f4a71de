"""A whole environment in typed Python: Llama 3.1 405B at 8 bits on one machine with 8 H100 GPUs."""

from ipaddress import IPv4Network
from pathlib import Path

import pulumi
from novacron_infra import (
    Caches,
    CloudEnvironment,
    Clusters,
    CoordinatorMode,
    Coordinators,
    Data,
    FirstTokenTarget,
    Hardware,
    ModelServing,
    ModelStore,
    NovaCronError,
    Percentiles,
    Platform,
    Profile,
    ProfileName,
    Quantization,
    Range,
    Region,
    Resources,
    StoreKind,
    Targets,
    Workers,
    build,
    load,
)

ENVIRONMENT = CloudEnvironment(
    environment="dev",
    platform=Platform.AWS,
    protected=False,
    regions=(
        Region(
            name="us-west-2",
            dns_label="us-west",
            weight=1,
            zones=("us-west-2a", "us-west-2b", "us-west-2c"),
            network=IPv4Network("10.0.0.0/16"),
        ),
    ),
    # Name your own roles: only these can sign in to the cluster.
    clusters=Clusters(admins=("arn:aws:iam::123456789012:role/operators",)),
    coordinators=Coordinators(
        count=1,
        mode=CoordinatorMode.SINGLE,
        machine="c6i.8xlarge",
        hardware=Hardware(cores=16, memory_gib=64, nvme_tb=2, network_gbps=10),
        resources=Resources(cpu_request=16, cpu_limit=28, memory_request_gib=48, memory_limit_gib=56),
    ),
    workers=Workers(
        count=8,
        minimum=8,
        maximum=8,
        gpus_per_worker=1,
        machine="p5.48xlarge",
        hardware=Hardware(cores=32, memory_gib=128, nvme_tb=4, network_gbps=25),
    ),
    model=ModelServing(
        id="llama-3.1-405b",
        context_tokens=16384,
        profiles=(Profile(name=ProfileName.BALANCED, quantization=Quantization.INT8, minimum_replicas=1),),
        store=ModelStore(kind=StoreKind.S3, bucket="acme-dev-models"),
    ),
    caches=Caches(memory_gib=16, distributed_gib=64, persistent_gib=1024),
    data=Data(postgres_storage_gib=100, redis_nodes=1),
    targets=Targets(
        time_to_first_token_s=FirstTokenTarget(p50=0.5, p95=1.0, prompt_tokens=1000),
        inter_token_latency_s=Percentiles(p50=0.05, p95=0.1),
        throughput_tokens_per_s=Range(minimum=10, maximum=20),
        quality_fraction=Range(minimum=0.93, maximum=0.95),
        weights_in_use_gb=Range(minimum=400, maximum=800),
    ),
)

try:
    # `load` also checks the rules between the sections.
    build(load(ENVIRONMENT.model_dump_json(exclude_none=True)), Path(__file__).parent)
except NovaCronError as error:
    raise pulumi.RunError(str(error)) from error
