"""Keys that exist: they are checked and used for everything a region stores, and are not managed resources."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
from novacron_rehearsal.clouds import cloud_data

from tests.unit.config.environments import change, find_problems
from tests.unit.existing_things import AZURE_KEY, GOOGLE_KEY, HUB, KEY_ARN, KEYS, answer, find_missing
from tests.unit.simulated_stack import Deployment, deploy

FIELDS = {"aws": "key_arn", "gcp": "key", "azure": "key_id"}
FIRST = {cloud: values["regions"][0]["name"] for cloud, values in KEYS.items()}
MANAGED = {"aws": "aws:kms/key:", "gcp": "gcp:kms/cryptoKey:", "azure": "azure-native:keyvault:Key"}
AZURE_URI = "https://acme-keys.vault.azure.net/keys/storage"
NAMES = {"aws": KEY_ARN, "gcp": GOOGLE_KEY, "azure": "https://acme-keys.vault.azure.net/"}
"""How services name the key, or on Azure its vault."""
ENCRYPTED = {
    "aws": {
        "aws:eks/cluster:Cluster",
        "aws:ec2/launchTemplate:LaunchTemplate",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:rds/instance:Instance",
        "aws:elasticache/replicationGroup:ReplicationGroup",
        "aws:ecr/repository:Repository",
        "aws:cloudwatch/logGroup:LogGroup",
    },
    "gcp": {
        "gcp:container/cluster:Cluster",
        "gcp:container/nodePool:NodePool",
        "gcp:storage/bucket:Bucket",
        "gcp:sql/databaseInstance:DatabaseInstance",
        "gcp:redis/cluster:Cluster",
        "gcp:artifactregistry/repository:Repository",
        "gcp:secretmanager/secret:Secret",
    },
    "azure": {
        "azure-native:containerservice:ManagedCluster",
        "azure-native:compute:DiskEncryptionSet",
        "azure-native:storage:StorageAccount",
        "azure-native:dbforpostgresql:Server",
        "azure-native:redisenterprise:RedisEnterprise",
        "azure-native:containerregistry:Registry",
    },
}
"""Types of resources that a region encrypts with its key."""


def _list_keys(deployment: Deployment, cloud: str) -> list[str]:
    resources = deployment.resources.values()
    return [item.name for item in resources if item.type.startswith(MANAGED[cloud]) and FIRST[cloud] in item.name]


@pytest.mark.parametrize("cloud", KEYS)
def test_a_key_that_exists_encrypts_everything_and_is_not_a_resource(cloud: str) -> None:
    own = change(KEYS[cloud], {})
    own["regions"][0]["existing"][cloud].pop(FIELDS[cloud])
    assert _list_keys(deploy(own), cloud)
    deployment = deploy(KEYS[cloud])
    assert _list_keys(deployment, cloud) == []
    using = {
        item.type for item in deployment.resources.values() if NAMES[cloud] in json.dumps(item.inputs, default=str)
    }
    assert using >= ENCRYPTED[cloud]
    assert not deploy(KEYS[cloud], deployment).steps


def test_no_service_agent_is_let_in_at_a_google_key_that_exists() -> None:
    resources = deploy(KEYS["gcp"]).resources.values()
    assert not [item.name for item in resources if item.inputs.get("cryptoKeyId") == GOOGLE_KEY]


def test_an_azure_key_that_exists_has_roles_and_its_vault_an_endpoint() -> None:
    """Azure gives identities rights at a key only by role assignments, which the identities of a region need."""
    resources = list(deploy(KEYS["azure"]).resources.values())
    vault = AZURE_KEY.partition("/keys/")[0]
    scopes = [item.inputs["scope"] for item in resources if item.type == "azure-native:authorization:RoleAssignment"]
    assert scopes.count(AZURE_KEY) == 2  # the storage's identity, and the cluster's
    assert scopes.count(vault) == 1  # the cluster connects its control plane to the vault
    endpoints = [item for item in resources if item.type == "azure-native:network:PrivateEndpoint"]
    ids = [item.inputs["privateLinkServiceConnections"][0]["privateLinkServiceId"] for item in endpoints]  # type: ignore[index]
    assert vault in ids
    assert any("Microsoft.KeyVault" in str(id_) and id_ != vault for id_ in ids)  # the vault of the logins


LOGS_ONLY = {"Effect": "Allow", "Principal": {"Service": ["logs.us-west-2.amazonaws.com"]}}


def _kms(**changes: Any) -> dict[str, Any]:
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}},
        {"Effect": "Allow", "Principal": {"Service": "logs.us-west-2.amazonaws.com"}},
        {"Effect": "Allow", "Principal": {"Service": ["events.amazonaws.com"]}},
    ]
    properties = {"EnableKeyRotation": True, "KeyPolicy": {"Statement": statements}, **changes}
    return {"properties": json.dumps(properties)}


def _google_policy(*agents: str) -> dict[str, Any]:
    number = cloud_data.load_cloud("gcp").defaults["number"]
    members = [f"serviceAccount:service-{number}@{agent}.iam.gserviceaccount.com" for agent in agents]
    role = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
    return {"policyData": json.dumps({"bindings": [{"role": role, "members": members}]})}


AGENTS = (
    "container-engine-robot",
    "compute-system",
    "gs-project-accounts",
    "gcp-sa-cloud-sql",
    "cloud-redis",
    "gcp-sa-secretmanager",
    "gcp-sa-artifactregistry",
    "gcp-sa-pubsub",
)
KMS, RESOURCE = "aws:kms/getKey:getKey", "aws:cloudcontrol/getResource:getResource"
CRYPTO_KEY, KEY_POLICY = (
    "gcp:kms/getKMSCryptoKey:getKMSCryptoKey",
    "gcp:kms/getCryptoKeyIamPolicy:getCryptoKeyIamPolicy",
)
RING_POLICY, PROJECT_POLICY = (
    "gcp:kms/getKeyRingIamPolicy:getKeyRingIamPolicy",
    "gcp:projects/getIamPolicy:getIamPolicy",
)
VAULT_KEY, VAULT = "azure-native:keyvault:getKey", "azure-native:keyvault:getVault"
FEW = {
    KEY_POLICY: _google_policy(*AGENTS[:-3]),
    RING_POLICY: _google_policy("gcp-sa-pubsub"),
    PROJECT_POLICY: _google_policy(),
}


def _vault(**changes: Any) -> dict[str, Any]:
    return {"properties": {"enableRbacAuthorization": True, "enablePurgeProtection": True, "sku": {}, **changes}}


LACKING: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "no key": ("aws", {KMS: None}, "no such KMS key in us-west-2", "aws kms list-keys"),
    "disabled": ("aws", {KMS: {"keyState": "Disabled"}}, "its state is Disabled", "aws kms enable-key"),
    "asymmetric": ("aws", {KMS: {"keySpec": "RSA_2048"}}, "it is RSA_2048", "Name a symmetric key"),
    "for signatures": ("aws", {KMS: {"keyUsage": "SIGN_VERIFY"}}, "for SIGN_VERIFY", "Name a symmetric key"),
    "a key of AWS": ("aws", {KMS: {"keyManager": "AWS"}}, "AWS manages it", "customer managed"),
    "no logs": (
        "aws",
        {RESOURCE: _kms(KeyPolicy={"Statement": [{"Effect": "Allow", "Principal": {"AWS": "123456789012"}}]})},
        "does not admit logs.us-west-2.amazonaws.com",
        "LogGroups",
    ),
    "no IAM": (
        "aws",
        {RESOURCE: _kms(KeyPolicy=json.dumps({"Statement": [LOGS_ONLY]}))},
        "does not leave rights to IAM",
        "Accou",
    ),
    "no Cloud KMS key": (
        "gcp",
        {CRYPTO_KEY: None},
        "no such key in us-central1",
        "gcloud kms keys list --project acme-keys",
    ),
    "another purpose": ("gcp", {CRYPTO_KEY: {"purpose": "MAC"}}, "its purpose is MAC", "Name a symmetric key"),
    "a disabled version": (
        "gcp",
        {CRYPTO_KEY: {"primaries": [{"name": "1", "state": "DISABLED"}]}},
        "its primary version is DISABLED",
        "gcloud kms keys versions enable",
    ),
    "no agents": ("gcp", FEW, "gcp-sa-secretmanager.iam", "gcloud kms keys add-iam-policy-binding storage --project"),
    "no Azure key": ("azure", {VAULT_KEY: None}, "no such key", "az keyvault key list --vault-name acme-keys"),
    "a curve": ("azure", {VAULT_KEY: {"kty": "EC"}}, "it is EC", "Name an RSA key"),
    "a short key": ("azure", {VAULT_KEY: {"kty": "RSA", "keySize": 1024}}, "of 1024 bits", "Name an RSA key"),
    "off": ("azure", {VAULT_KEY: {"attributes": {"enabled": False}}}, "it is disabled", "--enabled true"),
    "expires": ("azure", {VAULT_KEY: {"attributes": {"expires": 1.0}}}, "it expires", "without an expiry date"),
    "elsewhere": ("azure", {VAULT: {"location": "mars"}}, "its vault is in mars", "Name a key of a vault in"),
    "access policies": (
        "azure",
        {VAULT: _vault(enableRbacAuthorization=False)},
        "its vault has access policies",
        "--enable-rbac-authorization true",
    ),
    "can be purged": ("azure", {VAULT: _vault(enablePurgeProtection=None)}, "no purge protection", "--enable-purge"),
    "closed": ("azure", {VAULT: _vault(publicNetworkAccess="Disabled")}, "closed to trusted services", "--bypass"),
}


@pytest.mark.parametrize(("cloud", "answers", "rule", "fix"), LACKING.values(), ids=LACKING)
def test_a_key_that_lacks_something_is_refused_before_anything_is_declared(
    cloud: str, answers: dict[str, Any], rule: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, answers)
    problem = find_missing(KEYS[cloud])[f"{cloud}.{FIELDS[cloud]}"]
    assert rule in problem.rule
    assert fix in problem.fix


def test_service_agents_may_have_their_right_by_the_key_its_ring_or_its_project(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {**FEW, PROJECT_POLICY: _google_policy(*AGENTS[-3:])}
    answer(monkeypatch, answers)
    assert deploy(KEYS["gcp"]).resources


def test_a_key_that_is_not_rotated_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messages: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", messages.append)
    answer(monkeypatch, {RESOURCE: _kms(EnableKeyRotation=False)})
    assert deploy(KEYS["aws"]).resources
    assert any("it is not rotated. `aws kms enable-key-rotation" in message for message in messages)


OFFLINE: dict[str, tuple[str, str, str]] = {
    "an alias": ("aws", "arn:aws:kms:us-west-2:123456789012:alias/models", "not as that of an alias"),
    "another region": ("aws", KEY_ARN.replace("us-west-2", "eu-west-1"), "it is in eu-west-1"),
    "a name alone": ("gcp", "storage", "projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/NAME"),
    "a version": ("gcp", f"{GOOGLE_KEY}/cryptoKeyVersions/1", "projects/PROJECT/locations/LOCATION"),
    "a multi-region": ("gcp", GOOGLE_KEY.replace("us-central1", "us"), "it is in us, and"),
    "a URI": ("azure", AZURE_URI, "resource id, without a version"),
    "another subscription": (
        "azure",
        AZURE_KEY.replace(HUB.split("/")[2], "1" * 8 + HUB.split("/")[2][8:]),
        "accounts.azure_subscription_id is",
    ),
}


@pytest.mark.parametrize(("cloud", "value", "rule"), OFFLINE.values(), ids=OFFLINE)
def test_keys_are_checked_offline(cloud: str, value: str, rule: str) -> None:
    values = change(KEYS[cloud], {f"regions.0.existing.{cloud}.{FIELDS[cloud]}": value})
    path = f"regions[{FIRST[cloud]}].existing.{cloud}.{FIELDS[cloud]}"
    assert rule in find_problems(values)[path].rule
