"""The container, Lustre and file shares: what a user relies on, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from novacron_infra.azure import AzureFiles, AzureLustre, AzureModelStore
from novacron_infra.azure.storage import LUSTRE_STEP_TIB, describe_slow_load
from novacron_infra.errors import ArgumentError

from tests.unit.azure import samples
from tests.unit.azure.graph import declare, resource_id
from tests.unit.graph import Graph


def test_models_are_versioned_and_kept(region: Graph) -> None:
    assert region.one("storage:StorageAccount", "models-models").protect
    container = region.one("storage:BlobContainer")
    assert container.protect
    assert container.inputs["publicAccess"] == "None"
    service = region.one("storage:BlobServiceProperties").inputs
    assert service["isVersioningEnabled"] is True
    assert service["changeFeed"] == {"enabled": True}
    assert (
        service["deleteRetentionPolicy"] == service["containerDeleteRetentionPolicy"] == {"enabled": True, "days": 30}
    )


def test_old_versions_are_forgotten_and_current_ones_never(region: Graph) -> None:
    policy = region.one("storage:ManagementPolicy")
    (rule,) = policy.inputs["policy"]["rules"]
    assert rule["definition"]["actions"] == {"version": {"delete": {"daysAfterCreationGreaterThan": 30}}}
    assert rule["enabled"] is True
    assert "storage:BlobServiceProperties models-models" in policy.typed_dependencies


@pytest.mark.parametrize(
    ("endpoint", "service", "account"),
    [("models-blob", "blob", "models-models"), ("shared-file", "file", "shared-files")],
)
def test_storage_is_reached_from_inside_by_its_own_name(
    region: Graph, endpoint: str, service: str, account: str
) -> None:
    inputs = region.one("network:PrivateEndpoint", endpoint).inputs
    assert inputs["subnet"]["id"] == resource_id("network:Subnet", "network-endpoints")
    (connection,) = inputs["privateLinkServiceConnections"]
    assert connection["groupIds"] == [service]
    assert connection["privateLinkServiceId"] == resource_id("storage:StorageAccount", account)
    group = region.one("network:PrivateDnsZoneGroup", endpoint).inputs
    (zone,) = group["privateDnsZoneConfigs"]
    assert zone["privateDnsZoneId"] == resource_id("privatedns:PrivateZone", f"network-{service}")


def test_lustre_is_fast_encrypted_and_in_a_subnet_of_its_own(region: Graph) -> None:
    inputs = region.one("storagecache:AmlFilesystem").inputs
    assert (inputs["sku"], inputs["storageCapacityTiB"], inputs["zones"]) == (
        {"name": "AMLFS-Durable-Premium-500"},
        4,
        ["2"],
    )
    assert inputs["filesystemSubnet"] == resource_id("network:Subnet", "network-files")
    encryption = inputs["encryptionSettings"]["keyEncryptionKey"]
    assert encryption["sourceVault"] == {"id": resource_id("keyvault:Vault", "keys-vault")}
    assert "/keys/keys-storage/" in encryption["keyUrl"]
    assert inputs["identity"]["userAssignedIdentities"] == [
        resource_id("managedidentity:UserAssignedIdentity", "keys-storage")
    ]


def test_the_share_is_provisioned_and_over_tls(region: Graph) -> None:
    share = region.one("storage:FileShare").inputs
    assert (share["enabledProtocols"], share["provisionedBandwidthMibps"]) == ("NFS", 2000)
    assert share["rootSquash"] == "RootSquash"
    account = region.one("storage:StorageAccount", "shared-files").inputs
    # Provisioned bandwidth exists for this kind and tier only.
    assert (account["kind"], account["sku"]) == ("FileStorage", {"name": "PremiumV2_ZRS"})
    assert account["enableHttpsTrafficOnly"] is True


def test_405b_from_a_share_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda message, *_: told.append(message))
    args = replace(samples.FILES, weights_gb=410, throughput_mib_per_s=500)
    declare(lambda opts: AzureFiles("s", args, opts).share_name)
    (message,) = told
    assert message.startswith(
        "s: loading 410 GB from Azure Files takes about 13 min at 500 MiB/s, and the loader waits"
    )


@pytest.mark.parametrize(
    ("weights_gb", "throughput", "timeout_s", "warned"),
    [
        (None, 125, 1, False),
        (16, 2000, 600, False),
        (410, 125, 600, True),
        (410, 2000, 600, False),
        (410, 2000, 120, True),
    ],
)
def test_the_warning_depends_on_rate_and_patience(
    weights_gb: float | None, throughput: int, timeout_s: int, warned: bool
) -> None:
    assert (describe_slow_load(weights_gb, throughput, timeout_s) is not None) == warned


@pytest.mark.parametrize(("throughput", "step"), LUSTRE_STEP_TIB.items())
def test_lustre_comes_in_steps(throughput: int, step: int) -> None:
    for capacity in (step, 3 * step):
        fast(throughput_mb_per_s_per_tib=throughput, capacity_tib=capacity)
    with pytest.raises(
        ArgumentError, match=f"in steps of {step} TiB at {throughput} MB/s for each TiB. Use {2 * step}"
    ):
        fast(throughput_mb_per_s_per_tib=throughput, capacity_tib=step + 1)


def store(**changes: Any) -> Graph:
    return declare(lambda opts: AzureModelStore("models", replace(samples.STORE, **changes), opts).account_id)


def fast(**changes: Any) -> Graph:
    return declare(lambda opts: AzureLustre("fast", replace(samples.LUSTRE, **changes), opts).mgs_address)


def shared(**changes: Any) -> Graph:
    return declare(lambda opts: AzureFiles("shared", replace(samples.FILES, **changes), opts).share_name)


@pytest.mark.parametrize(
    ("component", "changes", "message"),
    [
        (store, {"account": "novacron.models"}, "models.account = novacron.models: a storage account has 3 to 24"),
        (store, {"account": "x" * 25}, "models.account = " + "x" * 25),
        (store, {"container": "Models"}, "models.container = Models: a container has 3 to 63"),
        (store, {"container": "a--b"}, "models.container = a--b: a container has 3 to 63"),
        (store, {"old_versions_days": 0}, "models.old_versions_days = 0: Blob Storage keeps 1 to 365"),
        (fast, {"capacity_tib": 0}, "fast.capacity_tib = 0: sizes come in steps of 4 TiB at 500 MB/s for each TiB"),
        (fast, {"throughput_mb_per_s_per_tib": 200}, "fast.throughput_mb_per_s_per_tib = 200: Managed Lustre has 40,"),
        (fast, {"zone": "westus2-2"}, "fast.zone = westus2-2: zones are 1, 2 and 3. Name the zone of the GPUs"),
        (shared, {"throughput_mib_per_s": 100}, "shared.throughput_mib_per_s = 100: Azure Files provisions 125 to"),
        (shared, {"iops": 200_000}, "shared.iops = 200000: Azure Files provisions 3000 to 102400"),
        (shared, {"size_gib": 16}, "shared.size_gib = 16: Azure Files provisions 32 to 262144"),
        (shared, {"account": "x"}, "shared.account = x: a storage account has 3 to 24"),
    ],
    ids=lambda value: str(next(iter(value)) if isinstance(value, dict) else getattr(value, "__name__", "")),
)
def test_bad_arguments_are_rejected_before_any_resource(
    component: Callable[..., object], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as error:
        component(**changes)
    assert message in str(error.value)
    assert len(error.value.problems) == 1
