"""The serving stack that the plan decides for a region: pods, disks, times and nodes."""

from __future__ import annotations

import pytest
from novacron_infra.catalog import FabricKind
from novacron_infra.plan.serving import CacheKind, plan_region_serving

from tests.unit.config.environments import plan, read_stack
from tests.unit.plan.serving import serve


def test_the_pods_of_all_regions_use_the_gpus_of_their_workers() -> None:
    planned = plan(read_stack("prod"))
    for region in planned.regions:
        serving = plan_region_serving(planned, region)
        pods = [(group.replicas * group.pods_per_replica, group.gpus_per_pod) for group in serving.workers]
        assert sum(count * gpus for count, gpus in pods) == region.gpus
        assert [group.replicas for group in serving.workers] == list(region.replicas)
        for group in serving.workers:
            assert group.minimum_replicas <= group.replicas <= group.maximum_replicas


@pytest.mark.parametrize(
    ("cloud", "kind", "interfaces", "daemon"),
    [
        ("aws", FabricKind.EFA, 32, None),
        ("gcp", FabricKind.TCPX, 4, "us-docker.pkg.dev/gce-ai-infra/gpudirect-tcpx/tcpgpudmarxd-dev:v2.0.15"),
        ("azure", FabricKind.INFINIBAND, 8, None),
    ],
)
def test_only_replicas_that_span_nodes_use_the_fabric(
    cloud: str, kind: FabricKind, interfaces: int, daemon: str | None
) -> None:
    balanced, quality, memory = serve(cloud).workers
    assert (balanced.fabric, memory.fabric) == (None, None)
    assert quality.spans_nodes
    assert quality.fabric is not None
    assert (quality.fabric.kind, quality.fabric.interfaces, quality.fabric.daemon_image) == (kind, interfaces, daemon)


def test_a_download_takes_as_long_as_the_store_needs() -> None:
    load = serve().workers[0].load
    assert load.weights_gb == pytest.approx(410.06, abs=0.01)
    assert load.store_gb_per_s == pytest.approx(32 * 0.085)
    assert load.download_s == 151
    # The engine reads 410 GB at 1 GB/s, after 300 s of other work.
    assert (load.engine_start_s, load.limit_s) == (711, 600 + 711)


def test_each_pod_of_two_reads_half_of_the_weights_onto_its_gpus() -> None:
    quality = serve().workers[1]
    assert quality.load.weights_gb == pytest.approx(811.7, abs=0.1)
    assert quality.load.engine_start_s == 300 + 406


@pytest.mark.parametrize(
    ("store", "gb_per_s"),
    [
        ({"kind": "efs"}, 894 * 2**30 / (43 * 60) / 1e9),
        ({"kind": "nfs", "bucket": "10.0.0.9:/models"}, None),
        ({"kind": "s3", "bucket": "models"}, 2.72),
    ],
)
def test_the_store_decides_the_rate(store: dict[str, str], gb_per_s: float | None) -> None:
    load = serve(model={"store": store}).workers[0].load
    assert load.store_gb_per_s == (None if gb_per_s is None else pytest.approx(gb_per_s))
    assert (load.download_s is None) == (gb_per_s is None)


def test_a_volume_limits_the_rate_where_pods_cannot_use_local_disks() -> None:
    balanced = serve("azure").workers[0]
    assert balanced.cache.kind is CacheKind.FAST_VOLUME
    assert balanced.load.store_gb_per_s == pytest.approx(1.05)
    # Two models of 410 GB.
    assert balanced.cache.size_gib == 764


def test_the_cache_is_a_pods_share_of_the_local_disks() -> None:
    balanced, _, memory = serve().workers
    disk_gib = 30_400e9 / 2**30
    assert balanced.cache.kind is CacheKind.LOCAL_NVME
    assert balanced.cache.size_gib + balanced.storage_gib <= 0.8 * disk_gib
    assert memory.cache.size_gib + memory.storage_gib <= 0.4 * disk_gib


def test_a_slow_object_store_is_a_warning_before_anything_is_created() -> None:
    values = read_stack("prod")
    values["model"]["loader"] = {"parallel": 8}
    planned = plan(values)
    slow = [warning for warning in planned.warnings if "object storage" in warning]
    assert len(slow) == 1
    assert "raise loader.parallel" in slow[0]
    assert not [warning for warning in plan(read_stack("prod")).warnings if "object storage" in warning]


def test_pods_on_spot_nodes_of_azure_tolerate_their_taint() -> None:
    assert serve("azure").workers[0].nodes.tolerated_taints == ("nvidia.com/gpu",)
    spot = serve("azure", workers={"capacity": {"kind": "spot", "fraction": 0.5}}).workers[0].nodes.tolerated_taints
    assert spot == ("nvidia.com/gpu", "kubernetes.azure.com/scalesetpriority")


def test_the_ports_are_those_of_the_configuration() -> None:
    ports = serve(coordinators={"http_port": 8000}, workers={"tensor_port": 9999}).ports
    assert (ports.http, ports.grpc, ports.worker, ports.launch) == (8000, 9090, 9091, 9999)
