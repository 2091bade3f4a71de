"""Postgres and Redis that exist: lookups of what they must have. Nothing here declares a resource."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi_gcp as gcp

from novacron_infra.config import ExistingGooglePostgres
from novacron_infra.existing import Lookups, differs, is_reported
from novacron_infra.limits.databases import OLDEST_POSTGRES, is_supported

_CLIENT_CERTIFICATES = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
_TLS, _IAM = "TRANSIT_ENCRYPTION_MODE_SERVER_AUTHENTICATION", "AUTH_MODE_IAM_AUTH"


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpDatabaseCheck:
    """Databases that exist, and what a region asks of them."""

    lookups: Lookups
    region: str
    network: str
    """Network of the region, which exists."""

    def check_postgres(self, existing: ExistingGooglePostgres) -> None:
        """Look up Postgres and its login, and add a problem for everything that they lack."""
        key, instance, require = "postgres.instance", existing.instance, self.lookups.require
        _, project, _, name = instance.split("/")
        found = self.lookups.find(
            key,
            instance,
            "instance of Cloud SQL",
            f"gcloud sql instances list --project {project}",
            lambda: gcp.sql.get_database_instance(name=name, project=project, opts=self.lookups.opts),
        )
        _, secret_project, _, secret_id = existing.secret.split("/")
        self.lookups.find(
            "postgres.secret",
            existing.secret,
            "secret",
            f"gcloud secrets list --project {secret_project}",
            lambda: gcp.secretmanager.get_secret(secret_id=secret_id, project=secret_project, opts=self.lookups.opts),
        )
        if found is None:
            return
        rule, fix = f"it is in {found.region}, and the region is {self.region}", f"Name one in {self.region}"
        require(not differs(found.region, self.region), key, instance, rule, fix)
        if is_reported(found.database_version):
            engine, _, version = found.database_version.partition("_")
            rule = f"its version is {found.database_version}, and coordinators need Postgres {OLDEST_POSTGRES} or newer"
            holds = engine == "POSTGRES" and is_supported(version.partition("_")[0], OLDEST_POSTGRES)
            require(holds, key, instance, rule, "Upgrade it, or name another one")
        address = next((item for setting in found.settings or () for item in setting.ip_configurations), None)
        if address is None:
            return
        self._check_network(key, instance, address.private_network)
        rule = "it asks clients for certificates, and coordinators sign in with a password"
        command = f"gcloud sql instances patch {name} --project {project} --ssl-mode ENCRYPTED_ONLY"
        require(address.ssl_mode != _CLIENT_CERTIFICATES, key, instance, rule, f"Run `{command}`")

    def check_redis(self, cluster: str) -> None:
        """Look up a cluster of Memorystore, and add a problem for everything that it lacks."""
        key, require = "redis", self.lookups.require
        _, project, _, region, _, name = cluster.split("/")
        found = self.lookups.find(
            key,
            cluster,
            f"cluster of Memorystore in {region}",
            f"gcloud redis clusters list --project {project} --region {region}",
            lambda: gcp.redis.get_cluster(name=name, project=project, region=region, opts=self.lookups.opts),
        )
        if found is None:
            return
        fix = "Name a cluster that was created with it: it cannot be changed"
        rule = f"transit_encryption_mode is {found.transit_encryption_mode}, and coordinators connect with TLS"
        require(not differs(found.transit_encryption_mode, _TLS), key, cluster, rule, fix)
        rule = f"authorization_mode is {found.authorization_mode}, and coordinators sign in by IAM"
        require(not differs(found.authorization_mode, _IAM), key, cluster, rule, fix)
        if found.psc_configs:
            self._check_network(key, cluster, found.psc_configs[0].network)

    def _check_network(self, key: str, value: str, network: str | None) -> None:
        # The cloud writes the network as a URL, or without one.
        rule = f"its network is {network or 'none, it has a public address only'}, and the region's {self.network}"
        holds = (network or "").endswith(self.network)
        self.lookups.require(holds, key, value, rule, f"Name one in {self.network}, or the network of the database")
