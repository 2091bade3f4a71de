"""The rules between the parts of a cloud environment: those that no single field can check."""

from __future__ import annotations

from novacron_infra.config.rules.accounts import check_accounts, check_alarms, check_clusters, check_tags
from novacron_infra.config.rules.alarms import check_alarm_receivers
from novacron_infra.config.rules.capacity import check_capacity
from novacron_infra.config.rules.dns_service import check_dns_service
from novacron_infra.config.rules.existing import check_existing
from novacron_infra.config.rules.existing_clusters import check_existing_clusters
from novacron_infra.config.rules.existing_databases import check_existing_databases
from novacron_infra.config.rules.kind import check_kind
from novacron_infra.config.rules.logs import check_logs
from novacron_infra.config.rules.machines import check_machines, check_offers
from novacron_infra.config.rules.model import check_model
from novacron_infra.config.rules.model_store import check_model_store, check_region_stores
from novacron_infra.config.rules.networks import (
    check_cluster_networks,
    check_public_networks,
    check_region_networks,
    check_zones_networks,
)
from novacron_infra.config.rules.overrides import check_overrides
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.rules.processes import check_coordinators, check_resources, check_workers
from novacron_infra.config.rules.regions import check_regions
from novacron_infra.config.rules.security import check_threat_detection
from novacron_infra.config.rules.services import check_databases, check_images
from novacron_infra.config.rules.serving import check_serving
from novacron_infra.config.rules.targets import check_targets
from novacron_infra.config.rules.traffic import check_traffic
from novacron_infra.errors import Problem

_RULES = (
    check_kind,
    check_regions,
    check_region_networks,
    check_zones_networks,
    check_cluster_networks,
    check_existing,
    check_existing_clusters,
    check_existing_databases,
    check_overrides,
    check_region_stores,
    check_accounts,
    check_alarm_receivers,
    check_alarms,
    check_clusters,
    check_threat_detection,
    check_offers,
    check_public_networks,
    check_traffic,
    check_dns_service,
    check_coordinators,
    check_machines,
    check_capacity,
    check_workers,
    check_resources,
    check_model,
    check_model_store,
    check_targets,
    check_databases,
    check_images,
    check_serving,
    check_logs,
    check_tags,
)


def check_cloud_environment(parts: Parts) -> list[Problem]:
    """Return a problem for every rule that the parts break.

    A part that is not in `parts` is itself invalid and already reported; the rules that need it do not run.
    """
    return [found for rule in _RULES for found in rule(parts)]
