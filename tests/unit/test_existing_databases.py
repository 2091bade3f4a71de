"""Databases that exist: they are checked and used, and nothing of them is a managed resource."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from novacron_rehearsal.values import without_secrets

from tests.unit.config.environments import change, find_problems
from tests.unit.existing_things import AWS, AZURE, AZURE_KEY, GCP, HUB, answer, find_missing
from tests.unit.simulated_stack import Deployment, deploy

ACCOUNT = "arn:aws:%s:us-west-2:123456789012:"
RDS, AURORA = ACCOUNT % "rds" + "db:acme", ACCOUNT % "rds" + "cluster:acme"
REPLICATION_GROUP = ACCOUNT % "elasticache" + "replicationgroup:acme"
SECRET_ARN = ACCOUNT % "secretsmanager" + "secret:acme/%s-a1b2c3"
PROJECT = GCP["accounts"]["google_project"]
SQL, SECRET = "projects/acme-data/instances/acme", f"projects/{PROJECT}/secrets/acme-postgres"
MEMORYSTORE = f"projects/{PROJECT}/locations/us-central1/clusters/acme"
SERVER_ID = f"{HUB}/providers/Microsoft.DBforPostgreSQL/flexibleServers/acme"
REDIS_ID = f"{HUB}/providers/Microsoft.Cache/redisEnterprise/acme"
VAULT_ID = f"{HUB}/providers/Microsoft.KeyVault/vaults/acme-logins"
DATABASES: dict[str, dict[str, Any]] = {
    "aws": {
        "postgres": {"arn": RDS, "secret_arn": SECRET_ARN % "postgres", "database": "llm", "user": "owner"},
        "redis": {"arn": REPLICATION_GROUP, "secret_arn": SECRET_ARN % "redis", "clustered": False},
    },
    "gcp": {"postgres": {"instance": SQL, "secret": SECRET, "database": "llm", "user": "owner"}, "redis": MEMORYSTORE},
    "azure": {
        "postgres": {
            "server_id": SERVER_ID,
            "secret_id": f"{VAULT_ID}/secrets/postgres",
            "database": "llm",
            "user": "owner",
        },
        "redis": {"cluster_id": REDIS_ID, "secret_id": f"{VAULT_ID}/secrets/redis"},
    },
}
IMAGE = {"repository": "novacron/a", "tag": "1", "digest": "sha256:" + "0" * 64}
IMAGES = ("coordinator", "worker", "nvidia_device_plugin", "efa_device_plugin", "tcpx_daemon", "tcpxo_daemon")
SERVING: dict[str, Any] = {
    "clusters.add_ons": True,
    "clusters.serving": True,
    "images": dict.fromkeys(IMAGES, IMAGE),
}
STACKS = {
    cloud: change(
        values,
        {f"regions.0.existing.{cloud}.{what}": database for what, database in DATABASES[cloud].items()} | SERVING,
    )
    for cloud, values in {
        "aws": change(AWS, {"accounts": {"aws_account_id": "123456789012"}}),
        "gcp": GCP,
        "azure": AZURE,
    }.items()
}
FIRST = {cloud: values["regions"][0]["name"] for cloud, values in STACKS.items()}
MANAGED = (
    "aws:rds/",
    "aws:elasticache/",
    "gcp:sql/",
    "gcp:redis/",
    "azure-native:dbforpostgresql:",
    "azure-native:redisenterprise:",
)
HOSTS = {
    "aws": "postgresql://owner@acme.",
    "gcp": "postgresql://owner@10.255.0.3:5432/llm",
    "azure": "postgresql://owner@acme.postgres.database.azure.com:5432/llm",
}


def _find_database_url(deployment: Deployment, region: str) -> str:
    """Return the URL that the coordinators of a region get."""
    resources = deployment.resources.values()
    (secret,) = [item for item in resources if item.name == f"{region}-serving-llm-coordinator-secrets"]
    data = without_secrets(secret.inputs["data"])
    assert isinstance(data, dict)
    return base64.b64decode(str(data["NOVACRON_DATABASE_URL"])).decode()


@pytest.mark.parametrize("cloud", STACKS)
def test_coordinators_use_databases_that_exist_and_nothing_of_them_is_a_resource(cloud: str) -> None:
    deployment = deploy(STACKS[cloud])
    resources = [item for item in deployment.resources.values() if FIRST[cloud] in item.name]
    assert [item.name for item in resources if item.type.startswith(MANAGED)] == []
    environment = STACKS[cloud]["environment"]
    assert _find_database_url(deployment, f"{environment}-{FIRST[cloud]}").startswith(HOSTS[cloud])
    assert not deploy(STACKS[cloud], deployment).steps


def test_the_coordinators_role_reads_logins_that_exist_and_their_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key_arn = ACCOUNT % "kms" + "key/00000000-0000-0000-0000-000000000000"
    answer(monkeypatch, {SECRET_TOKEN: {"kmsKeyId": key_arn}})
    resources = list(deploy(STACKS["aws"]).resources.values())
    policies = [str(item.inputs["policy"]) for item in resources if item.type == "aws:iam/rolePolicy:RolePolicy"]
    (reads,) = [json.loads(policy)["Statement"] for policy in policies if "secretsmanager" in policy]
    assert [item["Resource"] for item in reads] == [[SECRET_ARN % "postgres", SECRET_ARN % "redis"], key_arn]
    assert not [item for item in resources if item.type == "aws:secretsmanager/secret:Secret"]


def test_an_aurora_cluster_takes_the_place_of_an_instance() -> None:
    values = change(STACKS["aws"], {"regions.0.existing.aws.postgres.arn": AURORA})
    url = _find_database_url(deploy(values), f"{values['environment']}-{FIRST['aws']}")
    assert url.startswith("postgresql://owner@acme.cluster-")


def test_google_service_accounts_get_their_right_at_the_secret_that_exists() -> None:
    resources = deploy(STACKS["gcp"]).resources.values()
    members = [item for item in resources if item.type == "gcp:secretmanager/secretIamMember:SecretIamMember"]
    assert [item.inputs["secretId"] for item in members].count(SECRET) == 1


def test_azure_databases_that_exist_and_the_vault_of_their_logins_have_private_endpoints() -> None:
    resources = list(deploy(STACKS["azure"]).resources.values())
    first = [item for item in resources if FIRST["azure"] in item.name]
    endpoints = [item for item in first if item.type == "azure-native:network:PrivateEndpoint"]
    ids = [item.inputs["privateLinkServiceConnections"][0]["privateLinkServiceId"] for item in endpoints]  # type: ignore[index]
    assert [ids.count(id_) for id_ in (SERVER_ID, REDIS_ID, VAULT_ID)] == [1, 1, 1]
    scopes = {str(item.inputs["scope"]) for item in first if item.type == "azure-native:authorization:RoleAssignment"}
    assert scopes >= {f"{VAULT_ID}/secrets/postgres", f"{VAULT_ID}/secrets/redis"}
    stores = [
        json.dumps(item.inputs, default=str)
        for item in first
        if '"SecretStore"' in json.dumps(item.inputs, default=str)
    ]
    assert sum("https://acme-logins.vault.azure.net/" in text for text in stores) == 2


def test_a_vault_with_the_key_and_the_logins_has_one_endpoint() -> None:
    key = {"regions.0.existing.azure.key_id": AZURE_KEY.replace("acme-keys", "acme-logins")}
    resources = deploy(change(STACKS["azure"], key)).resources.values()
    endpoints = [item for item in resources if item.type == "azure-native:network:PrivateEndpoint"]
    assert sum(VAULT_ID in json.dumps(item.inputs, default=str) for item in endpoints) == 1


INSTANCE, CLUSTER = "aws:rds/getInstance:getInstance", "aws:rds/getCluster:getCluster"
SUBNETS, GROUP = "aws:rds/getSubnetGroup:getSubnetGroup", "aws:elasticache/getReplicationGroup:getReplicationGroup"
NODE, NODE_SUBNETS = "aws:elasticache/getCluster:getCluster", "aws:elasticache/getSubnetGroup:getSubnetGroup"
SECRET_TOKEN, RESOURCE = "aws:secretsmanager/getSecret:getSecret", "aws:cloudcontrol/getResource:getResource"
SQL_TOKEN, REDIS_TOKEN = "gcp:sql/getDatabaseInstance:getDatabaseInstance", "gcp:redis/getCluster:getCluster"
GOOGLE_SECRET = "gcp:secretmanager/getSecret:getSecret"
SERVER, REDIS = "azure-native:dbforpostgresql:getServer", "azure-native:redisenterprise:getRedisEnterprise"
DATABASE, VAULT = "azure-native:redisenterprise:getDatabase", "azure-native:keyvault:getVault"
VAULT_SECRET = "azure-native:keyvault:getSecret"
POSTGRES = {"engine": "postgres", "engineVersion": "17.2", "storageEncrypted": True}
CLOSED = json.dumps({"TransitEncryptionEnabled": True, "AtRestEncryptionEnabled": False})


def _sql(**address: Any) -> dict[str, Any]:
    return {
        "settings": [{"ipConfigurations": [{"privateNetwork": "projects/acme-host/global/networks/shared", **address}]}]
    }


LACKING: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "no instance": ("aws", {INSTANCE: None}, "postgres.arn", "no such RDS instance", "aws rds describe-db-instances"),
    "MySQL": (
        "aws",
        {INSTANCE: {**POSTGRES, "engine": "mysql"}},
        "postgres.arn",
        "its engine is mysql",
        "name another",
    ),
    "an old one": (
        "aws",
        {INSTANCE: {**POSTGRES, "engineVersion": "13.9"}},
        "postgres.arn",
        "its engine is postgres 13.9, and coordinators need Postgres 15 or newer",
        "Upgrade it",
    ),
    "plain disks": ("aws", {INSTANCE: {"storageEncrypted": False}}, "postgres.arn", "not encrypted", "Restore a copy"),
    "another VPC": (
        "aws",
        {INSTANCE: {"dbSubnetGroup": "data"}, SUBNETS: {"vpcId": "vpc-99999999"}},
        "postgres.arn",
        "it is in vpc-99999999, and the region in vpc-0a1b2c3d",
        "Name one in vpc-0a1b2c3d",
    ),
    "no login": ("aws", {SECRET_TOKEN: None}, "redis.secret_arn", "no such secret", "aws secretsmanager list-secrets"),
    "an alias": (
        "aws",
        {SECRET_TOKEN: {"kmsKeyId": "alias/logins"}},
        "postgres.secret_arn",
        "its key is written alias/logins",
        "aws secretsmanager update-secret",
    ),
    "no group": ("aws", {GROUP: None}, "redis.arn", "no such replication group", "aws elasticache describe"),
    "no token": (
        "aws",
        {GROUP: {"authTokenEnabled": False}},
        "redis.arn",
        "it has no AUTH token",
        "--auth-token TOKEN",
    ),
    "cluster mode": ("aws", {GROUP: {"clusterMode": "enabled"}}, "redis.clustered", "is enabled", "Write true"),
    "not encrypted": (
        "aws",
        {RESOURCE: {"properties": CLOSED}},
        "redis.arn",
        "not encrypted at rest",
        "Restore a backup",
    ),
    "an old Redis": (
        "aws",
        {GROUP: {"memberClusters": ["acme-001"]}, NODE: {"engine": "redis", "engineVersion": "5.0.6"}},
        "redis.arn",
        "its engine is redis 5.0.6",
        "Upgrade it",
    ),
    "Redis elsewhere": (
        "aws",
        {
            GROUP: {"memberClusters": ["acme-001"]},
            NODE: {"engine": "valkey", "engineVersion": "8.0.1", "subnetGroupName": "data"},
            NODE_SUBNETS: {"vpcId": "vpc-99999999"},
        },
        "redis.arn",
        "it is in vpc-99999999",
        "Name one in vpc-0a1b2c3d",
    ),
    "no Cloud SQL": ("gcp", {SQL_TOKEN: None}, "postgres.instance", "no such instance of", "gcloud sql instances list"),
    "MySQL on Cloud SQL": (
        "gcp",
        {SQL_TOKEN: {"databaseVersion": "MYSQL_8_0"}},
        "postgres.instance",
        "MYSQL_8_0",
        "name",
    ),
    "an old Cloud SQL": ("gcp", {SQL_TOKEN: {"databaseVersion": "POSTGRES_14"}}, "postgres.instance", "_14", "Upgrade"),
    "another region": ("gcp", {SQL_TOKEN: {"region": "mars"}}, "postgres.instance", "it is in mars", "us-central1"),
    "another network": (
        "gcp",
        {SQL_TOKEN: _sql(privateNetwork="projects/acme-host/global/networks/other")},
        "postgres.instance",
        "its network is projects/acme-host/global/networks/other",
        "Name one in projects/acme-host/global/networks/shared",
    ),
    "a public one": (
        "gcp",
        {SQL_TOKEN: _sql(privateNetwork="")},
        "postgres.instance",
        "public address only",
        "Name one",
    ),
    "client certificates": (
        "gcp",
        {SQL_TOKEN: _sql(sslMode="TRUSTED_CLIENT_CERTIFICATE_REQUIRED")},
        "postgres.instance",
        "it asks clients for certificates",
        "--ssl-mode ENCRYPTED_ONLY",
    ),
    "no secret": ("gcp", {GOOGLE_SECRET: None}, "postgres.secret", "no such secret", "gcloud secrets list --project"),
    "no Memorystore": ("gcp", {REDIS_TOKEN: None}, "redis", "no such cluster", "gcloud redis clusters list"),
    "no TLS": (
        "gcp",
        {REDIS_TOKEN: {"transitEncryptionMode": "TRANSIT_ENCRYPTION_MODE_DISABLED"}},
        "redis",
        "transit_encryption_mode is TRANSIT_ENCRYPTION_MODE_DISABLED",
        "created with it",
    ),
    "no IAM": ("gcp", {REDIS_TOKEN: {"authorizationMode": "AUTH_MODE_DISABLED"}}, "redis", "sign in by IAM", "created"),
    "no server": (
        "azure",
        {SERVER: None},
        "postgres.server_id",
        "no such flexible server",
        "az postgres flexible-server",
    ),
    "an old server": ("azure", {SERVER: {"version": "11"}}, "postgres.server_id", "its version is 11", "Upgrade it"),
    "far away": ("azure", {SERVER: {"location": "mars"}}, "postgres.server_id", "it is in mars", "Name one in"),
    "in a subnet": (
        "azure",
        {SERVER: {"network": {"delegatedSubnetResourceId": f"{HUB}/subnets/db"}}},
        "postgres.server_id",
        "connects to a server by a private endpoint",
        "without VNet integration",
    ),
    "Entra ID only": (
        "azure",
        {SERVER: {"authConfig": {"passwordAuth": "Disabled"}}},
        "postgres.server_id",
        "no sign-in with passwords",
        "--password-auth Enabled",
    ),
    "no Azure secret": ("azure", {VAULT_SECRET: None}, "redis.secret_id", "no such secret", "az keyvault secret list"),
    "access policies": (
        "azure",
        {VAULT: {"properties": {"enableRbacAuthorization": False, "sku": {}}}},
        "postgres.secret_id",
        "its vault has access policies",
        "--enable-rbac-authorization true",
    ),
    "no Azure Redis": ("azure", {REDIS: None}, "redis.cluster_id", "no such Azure Managed Redis", "az redisenterprise"),
    "a retired size": (
        "azure",
        {REDIS: {"sku": {"name": "Enterprise_E10"}}},
        "redis.cluster_id",
        "Azure retires on 2027-03-31",
        "Name an Azure Managed Redis",
    ),
    "plain text": (
        "azure",
        {DATABASE: {"clientProtocol": "Plaintext"}},
        "redis.cluster_id",
        "without TLS",
        "Encrypted",
    ),
    "no access keys": (
        "azure",
        {DATABASE: {"accessKeysAuthentication": "Disabled"}},
        "redis.cluster_id",
        "it has no access keys",
        "--access-keys-auth Enabled",
    ),
    "another policy": (
        "azure",
        {DATABASE: {"clusteringPolicy": "EnterpriseCluster"}},
        "redis.clustered",
        "its clustering policy is EnterpriseCluster",
        "Write false",
    ),
}


@pytest.mark.parametrize(("cloud", "answers", "path", "rule", "fix"), LACKING.values(), ids=LACKING)
def test_a_database_that_lacks_something_is_refused_before_anything_is_declared(
    cloud: str, answers: dict[str, Any], path: str, rule: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, answers)
    problem = find_missing(STACKS[cloud])[f"{cloud}.{path}"]
    assert rule in problem.rule
    assert fix in problem.fix


OTHER = "1" * 8 + HUB.split("/")[2][8:]
OFFLINE: dict[str, tuple[str, str, Any, str]] = {
    "an instance id": ("aws", "postgres.arn", "acme", "as the ARN of an RDS instance"),
    "a serverless cache": (
        "aws",
        "redis.arn",
        ACCOUNT % "elasticache" + "serverlesscache:acme",
        "as the ARN of a replication group",
    ),
    "another AWS region": ("aws", "postgres.arn", RDS.replace("us-west-2", "eu-west-1"), "it is in eu-west-1"),
    "a login elsewhere": (
        "aws",
        "redis.secret_arn",
        (SECRET_ARN % "r").replace("us-west-2", "eu-west-1"),
        "in eu-west-1",
    ),
    "a name of a secret": ("aws", "redis.secret_arn", "acme/redis", "as its whole ARN"),
    "a database name": ("aws", "postgres.database", "llm@here", "1 to 63 letters"),
    "an address": ("gcp", "postgres.instance", "10.0.0.3", "projects/PROJECT/instances/NAME"),
    "a secret elsewhere": ("gcp", "postgres.secret", "projects/other/secrets/x", "accounts.google_project is"),
    "another location": ("gcp", "redis", MEMORYSTORE.replace("central1", "east1"), "it is in us-east1"),
    "an Azure Cache": ("azure", "redis.cluster_id", REDIS_ID.replace("redisEnterprise", "redis"), "Azure retires"),
    "another subscription": (
        "azure",
        "postgres.server_id",
        SERVER_ID.replace(HUB.split("/")[2], OTHER),
        "subscription",
    ),
    "a URI": ("azure", "postgres.secret_id", "https://acme.vault.azure.net/secrets/postgres", "as its resource id"),
}


@pytest.mark.parametrize(("cloud", "key", "value", "rule"), OFFLINE.values(), ids=OFFLINE)
def test_databases_are_checked_offline(cloud: str, key: str, value: Any, rule: str) -> None:
    values = change(STACKS[cloud], {f"regions.0.existing.{cloud}.{key}": value})
    assert rule in find_problems(values)[f"regions[{FIRST[cloud]}].existing.{cloud}.{key}"].rule


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_databases_that_exist_need_their_network(cloud: str) -> None:
    values = change(STACKS[cloud], {})
    del values["regions"][0]["existing"][cloud]["network"]
    problem = find_problems(values)[f"regions[{FIRST[cloud]}].existing.{cloud}.network"]
    assert "are reached inside their network" in problem.rule
