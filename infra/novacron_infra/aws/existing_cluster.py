"""An EKS cluster that exists: lookups of what it must have. Nothing here declares a resource."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi_aws as aws
import yaml

from novacron_infra.aws.addons import ADDONS
from novacron_infra.aws.cluster import NODE_ADDONS
from novacron_infra.aws.region_cluster import find_issuer_url
from novacron_infra.catalog import Cloud
from novacron_infra.existing import Lookups, differs, find_or_none, is_reported
from novacron_infra.existing_clusters import check_cluster_version, check_public_access
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import ExistingEfsStore, NewEfsStore

KEY = "cluster"
_POD_IDENTITY, _NETWORK = "eks-pod-identity-agent", "vpc-cni"
_ALL_PROTOCOLS = "-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsClusterCheck:
    """A cluster that exists, and what a region asks of it."""

    lookups: Lookups
    cluster: str
    """Name of the cluster."""
    vpc_id: str
    """VPC of the region, which exists."""
    spec: RegionSpec

    def run(self) -> None:
        """Look up the cluster, and add a problem for everything that it lacks."""
        name, region = self.cluster, self.spec.region
        found = self.lookups.find(
            KEY,
            name,
            f"cluster in {region}",
            f"aws eks list-clusters --region {region}",
            lambda: aws.eks.get_cluster(name=name, opts=self.lookups.opts),
        )
        if found is None:
            return
        rule = f"its status is {found.status}, and nodes join one that is ACTIVE"
        self._require(not differs(found.status, "ACTIVE"), rule, "Wait until it is, or name another one")
        check_cluster_version(self.lookups, KEY, name, found.version, Cloud.AWS)
        self._check_network(found)
        self._check_access(found)
        self._check_issuer(found)
        self._check_security_group(found.vpc_config.cluster_security_group_id)
        self._check_add_ons()
        if self.spec.add_ons:
            self._check_deployer()

    def _check_network(self, found: aws.eks.GetClusterResult) -> None:
        config, update = found.vpc_config, self._render("update-cluster-config")
        rule = f"it is in {config.vpc_id}, and the region in {self.vpc_id}"
        fix = f"Name a cluster in {self.vpc_id}, or the VPC of the cluster in existing.aws.network"
        self._require(not differs(config.vpc_id, self.vpc_id), rule, fix)
        rule = "its API has no private endpoint, and nodes have no public addresses to reach it from"
        fix = f"Run `{update} --resources-vpc-config endpointPrivateAccess=true`"
        self._require(not differs(config.endpoint_private_access, True), rule, fix)
        if is_reported(config.endpoint_public_access):
            admitted = config.public_access_cidrs if config.endpoint_public_access else None
            fix = (
                f"Run `{update} --resources-vpc-config endpointPublicAccess=true,"
                'publicAccessCidrs="{networks}"` with the networks that it admits already'
            )
            check_public_access(self.lookups, KEY, self.cluster, self.spec.public_networks, admitted, fix)
        for network in found.kubernetes_network_configs or ():
            rule = f"its pods have addresses of {network.ip_family}, and coordinators and workers use ipv4"
            self._require(not differs(network.ip_family, "ipv4"), rule, "Name a cluster with IPv4")

    def _check_access(self, found: aws.eks.GetClusterResult) -> None:
        for config in found.access_configs or ():
            rule = f"its authentication mode is {config.authentication_mode}, and nodes join by access entries"
            command = f"{self._render('update-cluster-config')} --access-config authenticationMode=API_AND_CONFIG_MAP"
            self._require(config.authentication_mode != "CONFIG_MAP", rule, f"Run `{command}`")

    def _check_issuer(self, found: aws.eks.GetClusterResult) -> None:
        url = find_issuer_url(found)
        provider = find_or_none(lambda: aws.iam.get_open_id_connect_provider(url=url, opts=self.lookups.opts))
        rule = f"IAM has no OIDC provider for its issuer {url}, and coordinators get their role by it"
        command = (
            f"eksctl utils associate-iam-oidc-provider --cluster {self.cluster} --region {self.spec.region} --approve"
        )
        self._require(provider is not None, rule, f"Run `{command}`")
        if provider is not None and is_reported(provider.client_id_lists):
            audience = "sts.amazonaws.com"
            rule = f"IAM's OIDC provider for its issuer {url} lacks the audience {audience}"
            command = "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn"
            fix = f"Run `{command} {provider.arn} --client-id {audience}`"
            self._require(audience in provider.client_id_lists, rule, fix)

    def _check_security_group(self, group_id: str) -> None:
        """Check that members of the cluster's security group, which all nodes are in, reach each other."""
        opts, region = self.lookups.opts, self.spec.region
        filters = [aws.vpc.GetSecurityGroupRulesFilterArgs(name="group-id", values=[group_id])]
        listed = find_or_none(lambda: aws.vpc.get_security_group_rules(filters=filters, opts=opts))
        if listed is None or not is_reported(listed.ids):
            return
        rules = [aws.vpc.get_security_group_rule(security_group_rule_id=id_, opts=opts) for id_ in listed.ids]
        holds = any(
            not item.is_egress
            and item.ip_protocol == _ALL_PROTOCOLS
            and item.referenced_security_group_id.rpartition("/")[2] == group_id
            for item in rules
        )
        command = f"aws ec2 authorize-security-group-ingress --region {region} --group-id {group_id}"
        rule = f"its security group {group_id} does not admit its own members, which nodes and pods are"
        self._require(holds, rule, f"Run `{command} --protocol all --source-group {group_id}`")

    def _check_add_ons(self) -> None:
        efs = isinstance(self.spec.store, NewEfsStore | ExistingEfsStore)
        wanted = [*NODE_ADDONS, *ADDONS, *(["aws-efs-csi-driver"] if efs else [])]
        found = {add_on: self._find_add_on(add_on) for add_on in wanted}
        install = f"{self._render('create-addon')} --addon-name"
        rule = f"it lacks the add-on {_POD_IDENTITY}, from which workers get their credentials"
        self._require(found[_POD_IDENTITY] is not None, rule, f"Run `{install} {_POD_IDENTITY}`")
        missing = [add_on for add_on, it in found.items() if it is None and add_on != _POD_IDENTITY]
        if missing:
            what = (
                f"EKS does not manage these add-ons in it: {', '.join(missing)}. Nodes and the serving stack need them"
            )
            message = f"{what}. Run `{install} {missing[0]}` and so on, unless they are installed in another way"
            self.lookups.warn(KEY, self.cluster, message)
        network = found[_NETWORK]
        if network is not None and is_reported(network.configuration_values):
            values = yaml.safe_load(network.configuration_values) or {}
            if str(values.get("enableNetworkPolicy")).lower() != "true":
                what = f"{_NETWORK} does not enforce network policies: enableNetworkPolicy is not true"
                self.lookups.warn(KEY, self.cluster, what)

    def _find_add_on(self, add_on: str) -> aws.eks.GetAddonResult | None:
        return find_or_none(
            lambda: aws.eks.get_addon(cluster_name=self.cluster, addon_name=add_on, opts=self.lookups.opts)
        )

    def _check_deployer(self) -> None:
        """Warn if the identity that deploys has no access entry. A config map or a role of SSO may let it in."""
        opts = self.lookups.opts
        caller = find_or_none(lambda: aws.get_caller_identity(opts=opts))
        if caller is None:
            return
        session = find_or_none(lambda: aws.iam.get_session_context(arn=caller.arn, opts=opts))
        principal = session.issuer_arn if session is not None else caller.arn
        entry = find_or_none(
            lambda: aws.eks.get_access_entry(cluster_name=self.cluster, principal_arn=principal, opts=opts)
        )
        if entry is None:
            command = f"{self._render('create-access-entry')} --principal-arn {principal}"
            what = f"{principal}, which deploys to it, has no access entry. It needs the rights of an administrator"
            self.lookups.warn(KEY, self.cluster, f"{what}: `{command}`, then `aws eks associate-access-policy`")

    def _render(self, command: str) -> str:
        option = "--name" if command == "update-cluster-config" else "--cluster-name"
        return f"aws eks {command} --region {self.spec.region} {option} {self.cluster}"

    def _require(self, holds: bool, rule: str, fix: str) -> None:
        self.lookups.require(holds, KEY, self.cluster, rule, fix)
