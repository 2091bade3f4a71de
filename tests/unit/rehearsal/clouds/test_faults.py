from __future__ import annotations

from pathlib import Path

import pytest
from novacron_rehearsal.clouds import cloud_data, faults
from novacron_rehearsal.clouds.provider_config import read_provider_config
from novacron_rehearsal.clouds.state import CloudState
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.values import PropertyMap

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
URN = f"urn:pulumi:dev::lab::{NODE_GROUP}::gpu-pool"
INPUTS: PropertyMap = {"instanceTypes": ["p5.48xlarge"]}


def inject(text: str, operation: str = "create", cloud: CloudState | None = None, token: str = NODE_GROUP) -> float:
    call = faults.ProviderCall(operation, token, URN, "us-east-1", INPUTS)
    return faults.inject_faults(faults.parse_faults(text), cloud or CloudState(), call)


@pytest.mark.parametrize(
    ("token", "fault", "says"),
    [
        (
            NODE_GROUP,
            "fault: capacity",
            "InsufficientInstanceCapacity: We currently do not have sufficient p5.48xlarge",
        ),
        (NODE_GROUP, "fault: quota, code: VcpuLimitExceeded", "VcpuLimitExceeded: You have exceeded the quota"),
        (NODE_GROUP, "fault: region_down", "Could not connect to the endpoint of us-east-1"),
        ("gcp:container/nodePool:NodePool", "fault: capacity", "ZONE_RESOURCE_POOL_EXHAUSTED"),
        (
            "gcp:container/nodePool:NodePool",
            "fault: quota, code: NVIDIA_H100_GPUS",
            "Quota 'NVIDIA_H100_GPUS' exceeded",
        ),
        ("azure-native:containerservice:AgentPool", "fault: capacity", 'Code="AllocationFailed"'),
        ("azure-native:containerservice:AgentPool", "fault: quota", 'Code="QuotaExceeded"'),
        ("kubernetes:core/v1:Pod", "fault: capacity", "Insufficient nvidia.com/gpu"),
    ],
)
def test_a_faults_error_is_worded_as_the_clouds_own_and_marked_as_simulated(token: str, fault: str, says: str) -> None:
    with pytest.raises(faults.SimulatedFaultError) as raised:
        inject(f"[{{{fault}}}]", token=token)
    assert says in str(raised.value)
    assert "simulated by NovaCron" in str(raised.value)


@pytest.mark.parametrize("package", ["aws", "gcp", "azure-native", "kubernetes"])
def test_every_cloud_has_a_message_for_every_fault(package: str) -> None:
    assert {*cloud_data.load_cloud(package).faults, "slow"} == set(faults.KINDS)


@pytest.mark.parametrize(
    ("fault", "operation", "hit"),
    [
        ("fault: capacity, type: 'aws:eks/*'", "create", True),
        ("fault: capacity, type: 'gcp:*'", "create", False),
        ("fault: capacity, urn: '*::gpu-*'", "update", True),
        ("fault: capacity, urn: '*::cpu-*'", "create", False),
        ("fault: capacity, region: 'us-*'", "create", True),
        ("fault: capacity, region: eu-west-1", "create", False),
        ("fault: capacity", "delete", False),
        ("fault: capacity", "read", False),
        ("fault: region_down, region: us-east-1", "delete", True),
        ("fault: region_down, region: us-east-1", "read", True),
        ("fault: capacity, times: 0", "create", False),
    ],
)
def test_a_fault_matches_calls_by_type_urn_region_and_operation(fault: str, operation: str, hit: bool) -> None:
    if hit:
        with pytest.raises(faults.SimulatedFaultError):
            inject(f"[{{{fault}}}]", operation)
    else:
        assert inject(f"[{{{fault}}}]", operation) == 0


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_fault_is_injected_as_often_as_its_times_over_all_processes(tmp_path: Path, on_disk: bool) -> None:
    text, cloud = "[{fault: capacity, times: 2}]", CloudState(tmp_path if on_disk else None)
    for _ in range(2):
        with pytest.raises(faults.SimulatedFaultError):
            inject(text, cloud=cloud)
    assert inject(text, cloud=CloudState(tmp_path) if on_disk else cloud) == 0


@pytest.mark.parametrize(
    ("package", "inputs", "region"),
    [
        ("aws", {"availabilityZone": "us-east-1a"}, "us-east-1"),
        ("aws", {"region": "eu-west-1"}, "eu-west-1"),
        ("gcp", {"location": "us-east4-b"}, "us-east4"),
        ("gcp", {"region": "us-east4"}, "us-east4"),
        ("gcp", {}, "us-central1"),
        ("azure-native", {"location": "westus3"}, "westus3"),
    ],
)
def test_the_region_comes_from_a_resources_inputs_or_its_provider(
    package: str, inputs: PropertyMap, region: str
) -> None:
    assert read_provider_config(package, {}).region(inputs) == region


def test_slow_faults_add_up() -> None:
    assert inject("[{fault: slow, seconds: 2}, {fault: slow, seconds: 0.5}, {fault: slow, type: x, seconds: 9}]") == 2.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{fault: capacity}", "is not a list"),
        ("[{fault: capacty}]", "`fault` must be one of quota, capacity, slow, region_down"),
        ("[capacity]", "`fault` must be one of"),
        ("[{fault: slow, second: 3}]", "unknown key 'second'; use code, fault, region, seconds, times, type, urn"),
        ("[{fault: slow, seconds: long}]", "'seconds' must be a number"),
        ("[{fault: capacity, times: -1}]", "'times' must be a number, at least 0"),
        ("[{fault: capacity, type: 3}]", "'type' must be text"),
        ("[{", "is not valid YAML"),
        ("no/such/file.yaml", "does not exist"),
    ],
)
def test_invalid_faults_are_refused(text: str, says: str) -> None:
    with pytest.raises(RehearsalError, match=says):
        faults.parse_faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 6000,
        "[{fault: slow, x: " + "[" * 90 + "]" * 90 + ", code: " + "c" * 6000 + "}]",
        "[{fault: slow, " + "k" * 6000 + ": 1}]",
        "[{k: 1, " + "k" * 6000 + ": 1, " + "k" * 6000 + ": 1}]",
        "[*" + "a" * 6000 + "]",
    ],
    ids=["deeply nested", "long value", "long key", "duplicate key", "alias"],
)
def test_an_error_about_faults_quotes_no_more_than_a_part_of_them(text: str) -> None:
    with pytest.raises(RehearsalError) as raised:
        faults.parse_faults(text)
    assert len(str(raised.value)) < 2000


def test_a_file_of_faults_that_is_not_yaml_is_named_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("[{")
    with pytest.raises(RehearsalError, match=r"^the file '.*faults\.yaml' is not valid YAML"):
        faults.parse_faults(str(file))


def test_an_empty_file_has_no_faults(tmp_path: Path) -> None:
    (tmp_path / "faults.yaml").touch()
    assert faults.parse_faults(str(tmp_path / "faults.yaml")) == []
