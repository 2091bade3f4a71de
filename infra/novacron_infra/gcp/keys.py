"""Customer keys of one location: for the cluster's secrets, and for what is stored.

A key ring and its keys stay in the project for ever: destroying them destroys the key versions only, and their names
cannot be used again. So names are made by Pulumi.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pulumi
import pulumi_gcp as gcp

from novacron_infra.errors import Problem, raise_problems
from novacron_infra.gcp.checks import build_labels, check_labels, check_name
from novacron_infra.known_args import check_known_args
from novacron_infra.resource_outputs import resolve_after
from novacron_infra.tags import Tags

ROTATION_DAYS = 30
_SECONDS_PER_DAY = 86_400
ROLE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
"""The right of a service agent to encrypt with a key."""
_LIMITS_DAYS = {"rotation_days": (1, 36_500), "deletion_window_days": (1, 120)}
"""KMS API reference, CryptoKey, read on 2026-11-25."""


class KeyUse(str, Enum):
    """The data that a key encrypts."""

    CLUSTER = "cluster"
    STORAGE = "storage"


class ServiceAgent(str, Enum):
    """Service agents that encrypt with a key: the domain of their address, after `service-<number>@`.

    IAM documentation, "Service agents", read on 2026-11-25.
    """

    KUBERNETES_ENGINE = "container-engine-robot"
    COMPUTE_ENGINE = "compute-system"
    CLOUD_STORAGE = "gs-project-accounts"
    FILESTORE = "cloud-filer"
    MANAGED_LUSTRE = "gcp-sa-lustre"
    CLOUD_SQL = "gcp-sa-cloud-sql"
    MEMORYSTORE = "cloud-redis"
    SECRET_MANAGER = "gcp-sa-secretmanager"  # noqa: S105
    ARTIFACT_REGISTRY = "gcp-sa-artifactregistry"
    PUBSUB = "gcp-sa-pubsub"


_SERVICES = {
    ServiceAgent.KUBERNETES_ENGINE: "container.googleapis.com",
    ServiceAgent.FILESTORE: "file.googleapis.com",
    ServiceAgent.MANAGED_LUSTRE: "lustre.googleapis.com",
    ServiceAgent.CLOUD_SQL: "sqladmin.googleapis.com",
    ServiceAgent.MEMORYSTORE: "redis.googleapis.com",
    ServiceAgent.SECRET_MANAGER: "secretmanager.googleapis.com",
    ServiceAgent.ARTIFACT_REGISTRY: "artifactregistry.googleapis.com",
    ServiceAgent.PUBSUB: "pubsub.googleapis.com",
}
"""Agents that are there only once their service was used or asked to make them; Compute Engine's always is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpKeysArgs:
    """Keys of a location."""

    location: str
    """A region; for a bucket over two regions the multi-region around them, such as us."""
    tags: Tags
    rotation_days: int = ROTATION_DAYS
    deletion_window_days: int = 30
    """How long a destroyed version can be brought back: 1 to 120."""
    cluster: bool = True
    """Whether to create the key of a cluster's secrets."""
    filestore: bool = False
    """Whether Filestore encrypts with the storage key; its API has to be enabled."""
    managed_lustre: bool = False
    """Whether Managed Lustre does; its API has to be enabled."""
    databases: bool = False
    """Whether Cloud SQL, Memorystore and Secret Manager do; their APIs have to be enabled."""
    registry: bool = False
    """Whether Artifact Registry does; its API has to be enabled."""
    pubsub: bool = False
    """Whether Pub/Sub does; its API has to be enabled."""
    protect: bool = True
    """Whether destroying the stack stops at the keys: without them everything encrypted is lost."""


class GcpKeys(pulumi.ComponentResource):
    """Customer keys with rotation, one for each `KeyUse` that is needed. Only the services that need a key may use it.

    Raises:
        ArgumentError: if a number of days is out of the range of KMS.
    """

    keys: dict[KeyUse, gcp.kms.CryptoKey]

    def __init__(self, name: str, args: GcpKeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_labels(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:GcpKeys", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect)
        invoke = pulumi.InvokeOutputOptions(parent=self)
        number = gcp.organizations.get_project_output(opts=invoke).number
        # Asking for Cloud Storage's agent makes it.
        storage_agent = gcp.storage.get_project_service_account_output(opts=invoke).member
        ring = gcp.kms.KeyRing(f"{name}-ring", location=args.location, opts=protected)
        self.keys = {}
        self._ids: dict[KeyUse, pulumi.Output[str]] = {}
        for use in KeyUse if args.cluster else (KeyUse.STORAGE,):
            key = gcp.kms.CryptoKey(
                f"{name}-{use.value}",
                key_ring=ring.id,
                purpose="ENCRYPT_DECRYPT",
                rotation_period=f"{args.rotation_days * _SECONDS_PER_DAY}s",
                destroy_scheduled_duration=f"{args.deletion_window_days * _SECONDS_PER_DAY}s",
                labels=build_labels(args.tags, "keys"),
                opts=protected,
            )
            grants: list[gcp.kms.CryptoKeyIAMMember] = []
            for agent in list_agents(use, args):
                identity = (
                    gcp.projects.ServiceIdentity(f"{name}-{agent.value}", service=_SERVICES[agent], opts=child)
                    if agent in _SERVICES
                    else None
                )
                grant = gcp.kms.CryptoKeyIAMMember(
                    f"{name}-{use.value}-{agent.value}",
                    crypto_key_id=key.id,
                    role=ROLE,
                    member=storage_agent
                    if agent is ServiceAgent.CLOUD_STORAGE
                    else pulumi.Output.format(
                        "serviceAccount:service-{0}@{1}.iam.gserviceaccount.com", number, agent.value
                    ),
                    opts=pulumi.ResourceOptions(parent=self, depends_on=[identity] if identity else None),
                )
                grants.append(grant)
            self.keys[use] = key
            # Resolves after the encrypting identities have their grants.
            self._ids[use] = resolve_after(key.id, *(grant.crypto_key_id for grant in grants))
        self.register_outputs({f"{use.value}_key_id": key for use, key in self._ids.items()})

    def find_key_id(self, use: KeyUse) -> pulumi.Output[str]:
        """The key for `use`, as `projects/…/cryptoKeys/…`."""
        return self._ids[use]


def list_agents(use: KeyUse, args: GcpKeysArgs) -> tuple[ServiceAgent, ...]:
    """Return the service agents that need the key for `use`."""
    if use is KeyUse.CLUSTER:
        return (ServiceAgent.KUBERNETES_ENGINE,) if args.cluster else ()
    asked = {
        ServiceAgent.FILESTORE: args.filestore,
        ServiceAgent.MANAGED_LUSTRE: args.managed_lustre,
        ServiceAgent.CLOUD_SQL: args.databases,
        ServiceAgent.MEMORYSTORE: args.databases,
        ServiceAgent.SECRET_MANAGER: args.databases,
        ServiceAgent.ARTIFACT_REGISTRY: args.registry,
        ServiceAgent.PUBSUB: args.pubsub,
    }
    return (
        ServiceAgent.COMPUTE_ENGINE,
        ServiceAgent.CLOUD_STORAGE,
        *(agent for agent, wanted in asked.items() if wanted),
    )


def _check_args(name: str, args: GcpKeysArgs) -> list[Problem]:
    values = {"rotation_days": args.rotation_days, "deletion_window_days": args.deletion_window_days}
    found: list[Problem] = []
    for field, value in values.items():
        low, high = _LIMITS_DAYS[field]
        if not low <= value <= high:
            rule, fix = f"KMS accepts {low} to {high} days", f"Use {min(max(value, low), high)}"
            found.append(Problem(f"{name}.{field}", str(value), rule, fix))
    return found
