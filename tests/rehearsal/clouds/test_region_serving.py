"""Production over three clouds on simulated clouds: its resources, and equal Kubernetes objects but for a stated list.

One environment with the serving stack and threat detection is deployed, and destroyed, for all tests.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from novacron_infra.outputs import EnvironmentOutputs
from novacron_rehearsal.values import Secret

from tests.definitions import check_object
from tests.rehearsal.clouds.conftest import a_site, taken
from tests.rehearsal.clouds.test_environment import PACK, describe
from tests.unit.config.environments import read_stack

pytestmark = pytest.mark.xdist_group("serving in regions")
PROD_MIXED: dict[str, Any] = read_stack("prod-mixed", "examples/environments")
REGIONS = {"us-west-2": "aws", "europe-west4": "gcp", "japaneast": "azure"}
DIGEST = "sha256:" + "0" * 64
ONLY_IN = {
    "TargetGroupBinding llm-api": {"aws"},
    "Service llm-api-public": {"gcp", "azure"},
    "ExternalSecret llm-redis": {"aws", "azure"},
    "ConfigMap llm-database-ca": {"gcp"},
    "ConfigMap llm-redis-ca": {"gcp"},
    "NetworkPolicy novacron-llm/coordinators-to-metadata-server": {"gcp"},
    "NetworkPolicy novacron-workers/ranks-to-metadata-server": {"aws", "gcp"},
    "NetworkPolicy novacron-workers/workers-to-metadata-server": {"aws", "gcp"},
}
"""Objects that not every cloud has. docs/serving-in-regions.md has the same list."""
DIFFERENT_CONTENT = {
    # Identities, places of secrets, and names.
    "ServiceAccount llm-coordinators",
    "ServiceAccount llm-workers",
    "SecretStore llm-secrets",
    "ExternalSecret llm-database",
    "ClusterIssuer llm-api-tls",
    "Certificate llm-api-tls",
    "Secret llm-coordinator",
    "Secret llm-workers",
    # How to sign in to Redis, and its port.
    "ConfigMap llm-coordinator",
    "NetworkPolicy novacron-llm/coordinators-to-redis",
    # Registries, labels of identities and files of certificate authorities.
    "Deployment llm-coordinator",
    # The machines of workers: their disks, fabrics, and the model store.
    "ConfigMap llm-workers-balanced",
    "ConfigMap llm-workers-memory",
    "ConfigMap llm-workers-quality",
    "LeaderWorkerSet llm-workers-quality",
    "Namespace novacron-workers",
    "ScaledObject llm-workers-balanced",
    "StatefulSet llm-workers-balanced",
    "StatefulSet llm-workers-memory",
}
"""Objects that every cloud has with a content of its own. docs/serving-in-regions.md has the same list."""


@dataclass(frozen=True)
class Made:
    """Outputs and resources of an update."""

    outputs: EnvironmentOutputs
    objects: dict[str, dict[str, dict[str, Any]]]
    """Objects by region and then by kind and name, without those of the add-ons."""
    resources: list[dict[str, Any]]
    left: list[str]
    """Resources that exist after the environment was destroyed."""

    def find(self, end: str) -> dict[str, Any]:
        """Return the inputs of the resource whose URN ends so."""
        (found,) = [item["inputs"] for item in self.resources if item["urn"].endswith(end)]
        return found


def serving(values: dict[str, Any]) -> dict[str, Any]:
    """Return an environment with the serving stack and pinned images."""
    pinned = {"repository": "registry.example.com/a", "tag": "v1", "digest": DIGEST}
    own = {name: pinned | {"repository": f"novacron/{name}"} for name in ("coordinator", "worker")}
    others = dict.fromkeys(("nvidia_device_plugin", "efa_device_plugin", "tcpx_daemon", "tcpxo_daemon"), pinned)
    return values | {
        "accounts": values.get("accounts", {}) | {"aws_account_id": "123456789012"},
        "clusters": values["clusters"] | {"add_ons": True, "serving": True},
        "images": own | others,
    }


def list_objects(state: dict[str, Any], region: str) -> dict[str, dict[str, Any]]:
    """Return the inputs of a region's objects by kind and name."""
    found: dict[str, dict[str, Any]] = {}
    for resource in state["deployment"]["resources"]:
        name = resource["urn"].rsplit("::", 1)[-1]
        if not resource["type"].startswith("kubernetes:") or f"-{region}-" not in name or "-add-ons-" in name:
            continue
        inputs = resource["inputs"]
        metadata = inputs["metadata"]
        label = metadata["name"]
        if inputs["kind"] in ("NetworkPolicy", "LimitRange", "ResourceQuota"):
            label = f"{metadata['namespace']}/{label}"
        found[f"{inputs['kind']} {label}"] = inputs
    return found


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """prod-mixed with everything: two regions on AWS, one on Google Cloud and one on Azure."""
    with a_site(tmp_path_factory.mktemp("mixed")) as site:
        detection = {"aws": "existing", "gcp": "existing", "azure": "managed", "alert_emails": ["security@example.com"]}
        more = {"security": {"threat_detection": detection}, "protected": False}
        describe(site, serving(PROD_MIXED) | more)
        # Rendering begins with such a preview, before and after `up`.
        recorded = replace(site.options, recorded=True)
        assert site.workspace.preview(recorded).errors == ""
        result = site.up(policy_packs=[PACK])
        assert result.policy_violations == [], [
            (v.policy, v.urn.rsplit(":", 1)[-1], v.message[80:400]) for v in result.policy_violations
        ]
        assert result.succeeded, result.errors
        assert taken(site.workspace.preview(site.options)) == {}
        state = site.workspace.export(show_secrets=True)
        again = site.workspace.preview(recorded)
        assert (again.errors, again.outdated) == ("", ())
        destroyed = site.workspace.destroy(site.options)
        assert destroyed.succeeded, destroyed.errors
        secret = result.outputs["admin_key"]
        assert isinstance(secret, Secret)
        yield Made(
            outputs=EnvironmentOutputs.model_validate(result.outputs | {"admin_key": secret.value}),
            objects={region: list_objects(state, region) for region in REGIONS},
            resources=state["deployment"]["resources"],
            left=[item for package in ("aws", "gcp", "azure-native", "kubernetes") for item in site.left(package)],
        )


def test_outputs_have_every_region_the_api_and_the_recovery_time(mixed: Made) -> None:
    assert set(mixed.outputs.regions) == {region["name"] for region in PROD_MIXED["regions"]}
    assert mixed.outputs.endpoint == "https://api.novacron.ai"
    assert mixed.outputs.rto_s is not None
    assert mixed.outputs.rto_s <= PROD_MIXED["traffic"]["rto_target_s"]


def test_every_cloud_has_resources_and_nothing_is_left_of_them(mixed: Made) -> None:
    packages = Counter(item["type"].partition(":")[0] for item in mixed.resources)
    assert min(packages[package] for package in ("aws", "gcp", "azure-native")) > 50
    assert mixed.left == []


def test_findings_of_threat_detection_go_to_a_topic_of_each_cloud_that_has_one(mixed: Made) -> None:
    topics = {item.platform.value: item.threat_alerts for item in mixed.outputs.regions.values()}
    assert (topics["aws"] or "").startswith("arn:aws:sns:")
    assert (topics["gcp"] or "").startswith("projects/")
    assert topics["azure"] is None
    types = {item["type"] for item in mixed.resources}
    assert "aws:sns/topic:Topic" in types
    assert "aws:guardduty/detector:Detector" not in types  # it exists


def test_clouds_have_the_same_objects_but_for_a_stated_list(mixed: Made) -> None:
    every = set[str]().union(*mixed.objects.values())
    differing = {
        name: {REGIONS[region] for region, objects in mixed.objects.items() if name in objects}
        for name in every
        if not all(name in objects for objects in mixed.objects.values())
    }
    assert differing == ONLY_IN


def test_objects_of_all_clouds_have_the_same_content_but_for_a_stated_list(mixed: Made) -> None:
    shared = set[str].intersection(*(set(objects) for objects in mixed.objects.values()))
    differing = {
        name
        for name in shared
        if len({json.dumps(objects[name], sort_keys=True) for objects in mixed.objects.values()}) > 1
    }
    # Limits and quotas of the workers' namespace follow their machines.
    assert {name for name in differing if "novacron-workers/novacron" not in name} == DIFFERENT_CONTENT


def test_objects_fit_their_definitions(mixed: Made) -> None:
    for objects in mixed.objects.values():
        for name, item in objects.items():
            if not name.startswith("Secret "):  # Pulumi hides their values
                check_object(item)


def test_prometheus_and_keda_read_the_stack_of_every_region(mixed: Made) -> None:
    for objects in mixed.objects.values():
        assert objects["PodMonitor llm-workers"]["metadata"]["namespace"] == "novacron-workers"
        alerts = [rule for group in objects["PrometheusRule llm-rules"]["spec"]["groups"] for rule in group["rules"]]
        assert "time to first token" in json.dumps(alerts).lower()
        triggers = objects["ScaledObject llm-workers-balanced"]["spec"]["triggers"]
        assert {item["metadata"]["serverAddress"] for item in triggers} == {
            "http://monitoring-prometheus.monitoring.svc:9090"
        }


def read_variables(objects: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the values of the coordinators' Secret."""
    data = json.loads(objects["Secret llm-coordinator"]["data"]["plaintext"])
    return {key: b64decode(value).decode() for key, value in data.items()}


def test_passwords_come_from_the_secret_manager_and_urls_have_none(mixed: Made) -> None:
    for region, objects in mixed.objects.items():
        variables = read_variables(objects)
        database, redis = urlsplit(variables["NOVACRON_DATABASE_URL"]), urlsplit(variables["NOVACRON_REDIS_URL"])
        assert (database.username, database.password, redis.password) == ("novacron", None, None)
        outputs = mixed.outputs.regions[region]
        assert (f"{database.hostname}:{database.port}", database.path) == (outputs.postgres_endpoint, "/novacron")
        # Only Postgres on AWS is not verified: the image does not have its authorities.
        verified = {
            "aws": {"sslmode": ["require"]},
            "gcp": {"sslmode": ["verify-ca"], "sslrootcert": ["/etc/novacron-database/ca.crt"]},
            "azure": {"sslmode": ["verify-full"], "sslrootcert": ["/etc/ssl/certs/ca-certificates.crt"]},
        }
        assert parse_qs(database.query) == verified[REGIONS[region]]
        (file,) = objects["ConfigMap llm-coordinator"]["data"].values()
        assert json.loads(file)["redis"].get("one_host", False) is (REGIONS[region] == "azure")
        assert redis.scheme == "rediss"
        assert redis.hostname == outputs.redis_endpoint.partition(":")[0]
        assert f"{redis.hostname}:{redis.port}" == outputs.redis_endpoint or ":" not in outputs.redis_endpoint


def test_coordinators_reach_the_ports_of_their_databases_and_of_the_nodes_of_a_redis_cluster(mixed: Made) -> None:
    node_ports = {"aws": [], "gcp": [(11000, 13047)], "azure": [(8500, 8599)]}
    for region, objects in mixed.objects.items():
        variables = read_variables(objects)
        redis_port = urlsplit(variables["NOVACRON_REDIS_URL"]).port
        expected = {"database": [(5432, None)], "redis": [(redis_port, None), *node_ports[REGIONS[region]]]}
        for service, ports in expected.items():
            (rule,) = objects[f"NetworkPolicy novacron-llm/coordinators-to-{service}"]["spec"]["egress"]
            assert [(item["port"], item.get("endPort")) for item in rule["ports"]] == ports, (region, service)


def test_region_outputs_lead_to_the_api(mixed: Made) -> None:
    labels = {"us-west-2": "us-west", "europe-west4": "eu", "japaneast": "ap"}
    for region, label in labels.items():
        assert mixed.outputs.regions[region].endpoint == f"https://{label}.api.novacron.ai/v1"
        assert mixed.outputs.regions[region].namespace == "novacron-llm"
    assert mixed.outputs.model == "llama-3.1-405b"
    assert mixed.outputs.admin_key


def test_clusters_in_every_cloud_may_change_only_the_challenges_of_the_zone(mixed: Made) -> None:
    names = [f"prod-{region}-api-certificates" for region in REGIONS]
    for name in names:
        role, policy = mixed.find(f"iam/role:Role::{name}"), mixed.find(f"iam/rolePolicy:RolePolicy::{name}")
        (trust,) = json.loads(role["assumeRolePolicy"])["Statement"]
        conditions = trust["Condition"]["StringEquals"]
        assert sorted(conditions.values()) == ["sts.amazonaws.com", "system:serviceaccount:cert-manager:cert-manager"]
        change = json.loads(policy["policy"])["Statement"][-1]
        assert change["Action"] == ["route53:ChangeResourceRecordSets"]
        assert change["Condition"]["ForAllValues:StringEquals"] == {
            "route53:ChangeResourceRecordSetsRecordTypes": ["TXT"]
        }
    assert mixed.find("OpenIdConnectProvider::prod-japaneast-api-oidc")["clientIdLists"] == ["sts.amazonaws.com"]


def test_coordinators_of_aws_read_two_secrets_and_nothing_else(mixed: Made) -> None:
    policy = mixed.find("iam/rolePolicy:RolePolicy::prod-us-west-2-llm-coordinators")
    reads, decrypts = json.loads(policy["policy"])["Statement"]
    assert reads["Action"] == ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    assert len(reads["Resource"]) == 2
    assert decrypts["Action"] == ["kms:Decrypt"]


def test_workers_have_their_identity_in_their_own_namespace(mixed: Made) -> None:
    association = mixed.find("podIdentityAssociation:PodIdentityAssociation::prod-us-west-2-llm-workers-role")
    assert (association["namespace"], association["serviceAccount"]) == ("novacron-workers", "llm-workers")
    member = mixed.find("iAMMember:IAMMember::prod-europe-west4-llm-workers-account")["member"]
    assert member == "serviceAccount:novacron-prod.svc.id.goog[novacron-workers/llm-workers]"
    credential = mixed.find("FederatedIdentityCredential::prod-japaneast-llm-workers-identity")
    assert credential["subject"] == "system:serviceaccount:novacron-workers:llm-workers"


def test_roles_of_pods_exist_before_the_pods_of_a_region_on_aws(mixed: Made) -> None:
    """EKS Pod Identity gives credentials to a pod when it starts, or never."""
    for role, user in (
        ("prod-us-west-2-load-balancer-role", "ClusterAddOns::prod-us-west-2-add-ons"),
        ("prod-us-west-2-llm-workers-role", "ServingStack::prod-us-west-2-serving"),
    ):
        (dependencies,) = [item["dependencies"] for item in mixed.resources if item["urn"].endswith(user)]
        assert [urn for urn in dependencies if urn.endswith(f"PodIdentityAssociation::{role}")], role


def test_images_are_pinned_and_in_the_registry_of_each_region(mixed: Made) -> None:
    for region, objects in mixed.objects.items():
        (container,) = objects["Deployment llm-coordinator"]["spec"]["template"]["spec"]["containers"]
        registry = mixed.outputs.regions[region].registry
        assert container["image"] == f"{registry}/novacron/coordinator:v1@{DIGEST}"
