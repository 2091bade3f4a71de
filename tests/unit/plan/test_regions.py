"""How regions share an environment, and what the failure of one means for the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from novacron_infra.config import load
from novacron_infra.errors import ConfigurationError
from novacron_infra.plan import apportion
from novacron_infra.plan.stores import find_efs_replication
from novacron_ops.plan_report import describe_plan

from tests.unit.config.environments import RECEIVERS, STORAGE_NODES, plan, read_stack


def prod() -> dict[str, Any]:
    return read_stack("prod")


def two_regions(first: int, second: int) -> list[dict[str, Any]]:
    """Regions of equal weight that state their own workers."""
    return [
        {
            "name": name,
            "dns_label": name,
            "weight": 1,
            "network": f"10.{number}.0.0/16",
            "zones": [f"{name}a", f"{name}b"],
            "workers": {"count": count, "minimum": count // 2, "maximum": 2 * count},
        }
        for number, (name, count) in enumerate((("us-west-2", first), ("us-east-1", second)))
    ]


weights = st.lists(st.integers(0, 255), min_size=1, max_size=6).filter(any)


@given(total=st.integers(0, 300), shares=weights)
def test_shares_add_up_and_grow_with_the_total(total: int, shares: list[int]) -> None:
    fewer, more = apportion(total, shares), apportion(total + 1, shares)
    assert sum(fewer) == total
    assert all(after >= before for before, after in zip(fewer, more, strict=True))
    assert all(count == 0 for count, weight in zip(fewer, shares, strict=True) if weight == 0)


def test_prod_is_shared_by_weight_in_whole_machines() -> None:
    planned = plan(prod())
    assert [(item.name, item.nodes, item.replicas[0]) for item in planned.regions] == [
        ("us-west-2", 6, 6),
        ("us-east-1", 5, 5),
        ("eu-north-1", 3, 3),
        ("ap-northeast-1", 2, 2),
    ]
    for name, total in (("count", 64), ("minimum", 32), ("maximum", 128)):
        assert sum(getattr(item.workers, name) for item in planned.regions) == total
    assert [item.minimum_replicas[0] for item in planned.regions] == [1, 1, 1, 1]
    # 128 workers are 32 machines of 192 vCPUs.
    assert sum(item.maximum_nodes for item in planned.regions) == 32
    assert sum(item.quota for item in planned.regions) == 32 * 192


def test_regions_may_state_their_own_workers() -> None:
    planned = plan(prod() | {"primary": "us-west-2", "regions": two_regions(16, 48)})
    assert [(item.nodes, item.workers.minimum) for item in planned.regions] == [(4, 8), (12, 24)]


@pytest.mark.parametrize(
    ("first", "second", "safe"),
    [
        # Equal regions: (R - 1) / R.
        (32, 32, [0.5, 0.5]),
        # The smaller one must carry everything alone.
        (48, 16, [0.25, 0.75]),
    ],
)
def test_the_safe_load_before_a_region_failure(first: int, second: int, safe: list[float]) -> None:
    failures = plan(prod() | {"primary": "us-west-2", "regions": two_regions(first, second)}).region_failures
    assert [failure.safe_load_fraction for failure in failures] == pytest.approx(safe)
    # From 80% of both; each region may double.
    assert [failure.load_after_fraction for failure in failures] == pytest.approx([0.8 / item for item in safe])
    assert [failure.load_at_maximum_fraction for failure in failures] == pytest.approx([0.4 / item for item in safe])


def test_the_most_loaded_region_has_the_most_traffic_for_its_workers() -> None:
    failure = plan(prod()).region_failures[0]
    # us-west-2 fails: eu-north-1 gets 20 of 60 of the traffic with 3 of 16 machines.
    assert (failure.region, failure.most_loaded_region) == ("us-west-2", "eu-north-1")
    assert failure.safe_load_fraction == pytest.approx((3 / 16) / (20 / 60))


@pytest.mark.parametrize(
    ("platform", "rto_s", "service"),
    [("aws", 168, "Route 53"), ("gcp", 155, "Cloud DNS"), ("azure", 155, "Traffic Manager")],
)
def test_the_plan_has_the_recovery_time_of_each_dns_service(platform: str, rto_s: int, service: str) -> None:
    description = prod()
    names = {"aws": ("us-west-2", "us-east-1"), "gcp": ("us-central1", "us-east1"), "azure": ("westus2", "eastus2")}
    description["primary"] = names[platform][0]
    zones: dict[str, Callable[[str], list[str]]] = {
        "aws": lambda name: [f"{name}a", f"{name}b"],
        "gcp": lambda name: [f"{name}-b"],
        "azure": lambda _: [],
    }
    host = {"aws": "i4i.16xlarge", "gcp": "c2-standard-60", "azure": "Standard_L80s_v3"}[platform]
    node = {"aws": "p5.48xlarge", "gcp": "a3-highgpu-8g", "azure": "Standard_ND96isr_H100_v5"}[platform]
    description |= {"platform": platform, "alarms": RECEIVERS}
    description["accounts"] = {
        "google_project": "novacron",
        "azure_subscription_id": "00000000-0000-0000-0000-000000000000",
    }
    description["model"]["store"] = {
        "aws": {"kind": "s3", "bucket": "models"},
        "gcp": {"kind": "gcs", "bucket": "models"},
        "azure": {"kind": "azure", "bucket": "account/models"},
    }[platform]
    description["regions"] = [
        {"name": name, "dns_label": f"r{i}", "weight": 1, "network": f"10.{i}.0.0/16", "zones": zones[platform](name)}
        for i, name in enumerate(names[platform])
    ]
    description["clusters"]["admins"] = {
        "aws": ["arn:aws:iam::123456789012:role/operators"],
        "gcp": ["group:operators@example.com"],
        "azure": ["00000000-0000-0000-0000-000000000001"],
    }[platform]
    description["coordinators"]["machine"] = host
    description["workers"]["machine"] = node
    recovery = plan(description).recovery
    assert recovery is not None
    assert (recovery.service, recovery.rto_s) == (service, rto_s)
    assert recovery.arithmetic.endswith(f"= {rto_s} s")


def test_a_single_region_has_no_recovery() -> None:
    planned = plan(prod() | {"regions": prod()["regions"][:1], "traffic": {"domain": "api.example.com"}})
    assert (planned.recovery, planned.region_failures) == (None, ())


def mixed() -> dict[str, Any]:
    """The example over three clouds, with storage nodes."""
    description = read_stack("prod-mixed", "examples/environments") | {"storage": STORAGE_NODES}
    for region, machine in zip(description["regions"][2:], ("c2-standard-30", "Standard_L80s_v3"), strict=True):
        region["overrides"]["storage"] = machine
    return description


def test_regions_of_several_clouds_share_one_environment() -> None:
    planned = plan(mixed())
    assert [(item.platform.value, item.nodes, item.quota, item.quota_unit) for item in planned.regions] == [
        ("aws", 6, 13 * 192, "vCPUs"),
        ("aws", 5, 10 * 192, "vCPUs"),
        ("gcp", 3, 6 * 8, "GPUs"),
        ("azure", 2, 3 * 96, "vCPUs"),
    ]
    workers = [(item.machine.name, item.count) for item in planned.machines if item.role == "workers"]
    assert workers == [("p5.48xlarge", 11), ("a3-highgpu-8g", 3), ("Standard_ND96isr_H100_v5", 2)]
    cost = planned.cost
    assert cost.usd_per_hour == pytest.approx(sum(item.usd_per_hour or 0 for item in cost.machines))
    assert planned.recovery is not None
    assert planned.recovery.service == "Route 53"


SLOW = "at 355 MiB/s, and the loader waits 10 min: use s3, or raise loader.timeout_s"


def test_the_plan_warns_about_file_systems_as_model_stores() -> None:
    def warnings(store: dict[str, str], **bucket: str) -> list[str]:
        description = prod()
        description["model"]["store"] = store
        description["regions"][1] |= bucket
        planned = plan(description)
        lines = describe_plan(planned)
        assert [f"  {warning}" for warning in planned.warnings] == [
            line for line in lines if line[2:] in planned.warnings
        ]
        return list(planned.warnings)

    slow = f"loading 812 GB from EFS takes about 36 min {SLOW}"
    assert warnings({"kind": "s3", "bucket": "models"}) == []
    assert warnings({"kind": "efs"}) == [
        slow,
        "models are not replicated to eu-north-1, us-east-1: EFS replicates a file system to one other",
    ]
    # A file system that exists is not a destination of replication: it would be overwritten.
    assert warnings({"kind": "efs"}, bucket="fs-0123456789abcdef0") == [
        slow,
        "models are not replicated to eu-north-1: EFS replicates a file system to one other",
    ]
    reach = "connect their networks with the server yourself"
    assert warnings({"kind": "nfs", "bucket": "a:/b"}, bucket="c:/d") == [
        f"workers in us-west-2, eu-north-1, ap-northeast-1 mount a:/b: {reach}",
        f"workers in us-east-1 mount c:/d: {reach}",
    ]


def test_models_go_from_the_first_file_system_to_the_next_that_is_made() -> None:
    description = prod()
    description["model"]["store"] = {"kind": "efs", "bucket": "fs-0123456789abcdef1"}
    assert find_efs_replication(plan(description).config) == ("us-west-2", "ap-northeast-1")
    description["regions"][3]["bucket"] = "fs-0123456789abcdef2"
    assert find_efs_replication(plan(description).config) == ("us-west-2", "eu-north-1")
    assert find_efs_replication(plan(description | {"regions": description["regions"][::3]}).config) is None
    assert find_efs_replication(plan(prod()).config) is None


def test_filestore_and_azure_files_are_not_replicated_between_regions() -> None:
    description = read_stack("prod-mixed", "examples/environments")
    description["regions"] = [
        description["regions"][0],
        *(
            description["regions"][2] | {"name": name, "dns_label": name, "network": network, "zones": [f"{name}-b"]}
            for name, network in (("europe-west4", "10.2.0.0/16"), ("us-central1", "10.4.0.0/16"))
        ),
    ]
    for region in description["regions"][1:]:
        others = {key: value for key, value in region["overrides"].items() if key != "bucket"}
        others["nearest"] = {"europe-west4": "eu-central-1", "us-central1": "us-east-2"}[region["name"]]
        region["overrides"] = others | {"store_kind": "nfs"}
    assert list(plan(description).warnings) == [
        "models are not replicated between europe-west4, us-central1: upload them to each region's Filestore"
    ]


@pytest.mark.parametrize(
    ("key", "value", "rule", "fix"),
    [
        ("workers", "p5.48xlarge", "a machine of aws, and the region is on gcp", "a3-highgpu-8g"),
        (
            "workers",
            "a3-ultragpu-8g",
            "8 × H200-141GB, and p5.48xlarge of the other regions has 8 × H100-80GB",
            "a3-high",
        ),
        ("coordinators", "c2", "it is not a machine of gcp in the catalogue", "c2-standard-30"),
        ("storage", None, "the environment has storage nodes", "gcp"),
        ("platform", "aws", "aws is the environment's own cloud", "Remove overrides"),
        ("nearest", "europe-west4", "it is not a region of aws, whose DNS service", "us-west-2"),
        ("bucket", "Models", "a Cloud Storage bucket has 3 to 63", "example-models"),
        ("bucket", None, "gcs needs a name", "example-models"),
        ("store_kind", "efs", "gcp does not have EFS", "Use nfs"),
        ("store_kind", "s3", "the object storage of gcp is gcs", "gcs"),
    ],
)
def test_overrides_that_the_regions_cloud_cannot_do_are_rejected(key: str, value: object, rule: str, fix: str) -> None:
    description = mixed()
    overrides = description["regions"][2]["overrides"]
    if value is None:
        del overrides[key]
    else:
        overrides[key] = value
    with pytest.raises(ConfigurationError) as caught:
        load(description)
    found = {item.path.removeprefix("novacron:environment."): item for item in caught.value.problems}
    problem = found[f"regions[europe-west4].overrides.{key}"]
    assert rule in problem.rule
    assert fix in problem.fix


def test_a_region_of_another_cloud_has_its_own_store() -> None:
    description = mixed()
    description["regions"][2]["bucket"] = "server:/export"
    with pytest.raises(ConfigurationError) as caught:
        load(description)
    assert [str(item) for item in caught.value.problems] == [
        "novacron:environment.regions[europe-west4].bucket = server:/export: the region is in another cloud. Move it "
        "to regions[europe-west4].overrides.bucket"
    ]


def test_regions_in_other_clouds_need_accounts_and_a_primary_in_the_own_cloud() -> None:
    description = mixed() | {"accounts": {}, "primary": "europe-west4"}
    with pytest.raises(ConfigurationError) as caught:
        load(description)
    found = {item.path.removeprefix("novacron:environment.") for item in caught.value.problems}
    assert found == {
        "accounts.google_project",
        "accounts.azure_subscription_id",
        "regions[europe-west4].overrides.platform",
        "alarms.aws_topic_arns.0",
    }
