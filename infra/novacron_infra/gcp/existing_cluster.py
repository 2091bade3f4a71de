"""A GKE cluster that exists: lookups of what it must have. Nothing here declares a resource."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi_gcp as gcp

from novacron_infra.catalog import Cloud
from novacron_infra.config import ExistingGoogleNetwork
from novacron_infra.existing import Lookups, differs, is_reported
from novacron_infra.existing_clusters import check_cluster_version, check_public_access
from novacron_infra.regions import RegionSpec

KEY = "cluster"
MOST_PODS = 64
"""Pods of a node for which `existing_network` counts the addresses of the pods' range."""
_DATAPLANE_V2 = "ADVANCED_DATAPATH"
_EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpClusterCheck:
    """A cluster that exists, and what a region asks of it."""

    lookups: Lookups
    cluster: str
    """Id of the cluster: `projects/…/locations/…/clusters/…`."""
    network: ExistingGoogleNetwork
    """Network of the region, which exists."""
    spec: RegionSpec

    def run(self) -> None:
        """Look up the cluster, and add a problem for everything that it lacks."""
        _, project, _, location, _, name = self.cluster.split("/")
        place = f"--project {project} --location {location}"
        found = self.lookups.find(
            KEY,
            self.cluster,
            "cluster",
            f"gcloud container clusters list {place}",
            lambda: gcp.container.get_cluster(name=name, location=location, project=project, opts=self.lookups.opts),
        )
        if found is None:
            return
        update = f"gcloud container clusters update {name} {place}"
        rule = "it is an Autopilot cluster, to which no node pools can be added"
        self._require(found.enable_autopilot is not True, rule, "Name a Standard cluster")
        check_cluster_version(self.lookups, KEY, self.cluster, found.master_version, Cloud.GCP)
        self._check_network(found)
        self._check_identity(found, project, update)
        self._check_api(found, update)
        self._check_fabric(found)
        self._check_services(found, update)

    def _check_network(self, found: gcp.container.GetClusterResult) -> None:
        if is_reported(found.network):
            rule = f"it is in {found.network.rpartition('/v1/')[2]}, and the region in {self.network.network}"
            fix = f"Name a cluster in {self.network.network}, or the network of the cluster in existing.gcp.network"
            self._require(found.network.endswith(self.network.network), rule, fix)
        if is_reported(found.subnetwork):
            rule = f"its nodes are in {found.subnetwork.rpartition('/v1/')[2]}, and node pools are in that subnet too"
            fix = "Name the cluster's subnet in existing.gcp.network.subnet"
            self._require(found.subnetwork.endswith(self.network.subnet), rule, fix)
        for policy in found.ip_allocation_policies or ():
            rule = f"its pods have the range {policy.cluster_secondary_range_name}, and not {self.network.pods_range}"
            fix = "Write the cluster's range in existing.gcp.network.pods_range"
            self._require(not differs(policy.cluster_secondary_range_name, self.network.pods_range), rule, fix)
        if is_reported(found.default_max_pods_per_node) and found.default_max_pods_per_node > MOST_PODS:
            pods = found.default_max_pods_per_node
            what = f"its nodes run up to {pods} pods, so each takes more of the pods' range than was checked"
            self.lookups.warn(KEY, self.cluster, what)
        for config in found.private_cluster_configs or ():
            rule = "its nodes have public addresses"
            self._require(not differs(config.enable_private_nodes, True), rule, "Name a cluster with private nodes")

    def _check_identity(self, found: gcp.container.GetClusterResult, project: str, update: str) -> None:
        pool = f"{project}.svc.id.goog"
        pools = [config.workload_pool for config in found.workload_identity_configs or ()]
        rule = "it has no workload identity, by which coordinators and workers get their rights"
        self._require(pools == [pool], rule, f"Run `{update} --workload-pool={pool}`")

    def _check_api(self, found: gcp.container.GetClusterResult, update: str) -> None:
        for config in found.control_plane_endpoints_configs or ():
            for endpoint in config.ip_endpoints_configs or ():
                rule = "its API has no IP endpoint, which the deployer and the nodes use"
                self._require(not differs(endpoint.enabled, True), rule, f"Run `{update} --enable-ip-access`")
        for config in found.private_cluster_configs or ():
            if not is_reported(config.enable_private_endpoint):
                continue
            admitted = None if config.enable_private_endpoint else self._list_admitted(found)
            fix = (
                f"Run `{update} --no-enable-private-endpoint --enable-master-authorized-networks "
                "--master-authorized-networks {networks}` with the networks that it admits already"
            )
            check_public_access(self.lookups, KEY, self.cluster, self.spec.public_networks, admitted, fix)

    def _list_admitted(self, found: gcp.container.GetClusterResult) -> list[str]:
        """Return the networks that the public API admits: all of them unless the cluster has a list."""
        configs = found.master_authorized_networks_configs
        return [block.cidr_block for config in configs for block in config.cidr_blocks] if configs else [_EVERYWHERE]

    def _check_fabric(self, found: gcp.container.GetClusterResult) -> None:
        if all(shape.fabric is None for shape in self.spec.pools.values()):
            return
        fix = "Name a cluster that was created with Dataplane V2 and multi-networking"
        rule = f"its data path is {found.datapath_provider}, and networks between GPUs need {_DATAPLANE_V2}"
        self._require(not differs(found.datapath_provider, _DATAPLANE_V2), rule, fix)
        rule = "multi-networking is off, and networks between GPUs need it"
        self._require(not differs(found.enable_multi_networking, True), rule, fix)

    def _check_services(self, found: gcp.container.GetClusterResult, update: str) -> None:
        for config in found.addons_configs or ():
            for driver in config.gce_persistent_disk_csi_driver_configs or ():
                rule = "the CSI driver of persistent disks is off, and volumes of the serving stack need it"
                fix = f"Run `{update} --update-addons=GcePersistentDiskCsiDriver=ENABLED`"
                self._require(not differs(driver.enabled, True), rule, fix)
        for config in found.logging_configs or () if self.spec.cloud_logs else ():
            rule = "it does not send the logs of containers to Cloud Logging, as monitoring.logs says"
            fix = f"Run `{update} --logging=SYSTEM,WORKLOAD`"
            self._require("WORKLOADS" in config.enable_components, rule, fix)
        if is_reported(found.datapath_provider) and found.datapath_provider != _DATAPLANE_V2:
            enforced = any(policy.enabled for policy in found.network_policies or ())
            if not enforced:
                self.lookups.warn(KEY, self.cluster, "it does not enforce network policies")

    def _require(self, holds: bool, rule: str, fix: str) -> None:
        self.lookups.require(holds, KEY, self.cluster, rule, fix)
