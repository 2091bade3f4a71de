"""The component that installs the charts of a cluster, and creates what they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.errors import Problem, raise_problems
from novacron_infra.generated import generate_secret
from novacron_infra.workloads.add_ons import container_logs, gpu_metrics, gpu_stack, monitoring_stack
from novacron_infra.workloads.add_ons.charts import OCI, PodSecurity, Release
from novacron_infra.workloads.names import PART_OF
from novacron_infra.workloads.options import after
from novacron_infra.workloads.pods import PART_OF_LABEL, label_object

_SYSTEM_NAMESPACE = "kube-system"
_POD_SECURITY = "pod-security.kubernetes.io"
_TIMEOUT_S = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartAddOnsArgs:
    """Arguments of ChartAddOns."""

    releases: Sequence[Release]
    """The charts, each after those that it needs."""
    grafana_password: pulumi.Input[str] | None = None
    """Password of Grafana's administrator. None: it is generated."""
    loki_password: pulumi.Input[str] | None = None
    """Password of Loki's user. None: Loki asks for none."""


class ChartAddOns(pulumi.ComponentResource):
    """The Helm charts of a cluster, with their namespaces. Pass the cluster's provider as `providers`.

    Pulumi's Kubernetes provider installs them; the engine's own provider cannot. Objects that use a chart's
    definitions depend on the component: it is created when every chart is ready.

    Raises:
        ArgumentError: if logs go to a Loki that asks for a password, and there is none.
    """

    def __init__(self, name: str, args: ChartAddOnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        raise_problems(_check_args(args))
        super().__init__("novacron:index:ChartAddOns", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        namespaces = self._declare_namespaces()
        made: dict[str, pulumi.Resource] = {}
        for release in args.releases:
            needed: list[pulumi.Resource] = [made[other] for other in release.after if other in made]
            if release.namespace in namespaces:
                needed.append(namespaces[release.namespace])
            needed += self._declare_inputs(release, after(self._child, *needed))
            made[release.name] = self._declare_release(release, after(self._child, *needed))
            if release.name == gpu_stack.NETWORK_OPERATOR:
                self._declare_infiniband(after(self._child, made[release.name]))
        self.register_outputs({})

    def _declare_namespaces(self) -> dict[str, k8s.core.v1.Namespace]:
        levels: dict[str, PodSecurity] = {}
        for release in self._args.releases:
            if levels.get(release.namespace) is not PodSecurity.PRIVILEGED:
                levels[release.namespace] = release.pod_security
        return {
            namespace: k8s.core.v1.Namespace(
                f"{self._name}-{namespace}-namespace",
                metadata=k8s.meta.v1.ObjectMetaArgs(
                    name=namespace,
                    labels={f"{_POD_SECURITY}/enforce": level.value, PART_OF_LABEL: PART_OF},
                ),
                opts=self._child,
            )
            for namespace, level in levels.items()
            if namespace != _SYSTEM_NAMESPACE
        }

    def _declare_release(self, release: Release, opts: pulumi.ResourceOptions) -> k8s.helm.v3.Release:
        chart = release.chart
        in_registry = chart.repository.startswith(OCI)
        return k8s.helm.v3.Release(
            f"{self._name}-{release.name}",
            name=release.name,
            namespace=release.namespace,
            chart=chart.reference,
            version=chart.version,
            repository_opts=None if in_registry else k8s.helm.v3.RepositoryOptsArgs(repo=chart.repository),
            values=release.render_values(),
            # A failed installation or upgrade leaves nothing half done.
            atomic=True,
            timeout=_TIMEOUT_S,
            opts=opts,
        )

    def _declare_inputs(self, release: Release, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        """Declare the objects that a chart refers to by name."""
        if release.name == gpu_stack.GPU_OPERATOR:
            return [
                k8s.core.v1.ConfigMap(
                    f"{self._name}-{gpu_stack.COUNTERS}",
                    metadata=label_object(gpu_stack.COUNTERS, release.namespace, gpu_stack.COUNTERS),
                    data={gpu_stack.COUNTERS_KEY: gpu_metrics.read_counters()},
                    opts=opts,
                )
            ]
        if container_logs.needs_password(release):
            secret, password = container_logs.LOKI_SECRET, self._args.loki_password or ""
            return [
                k8s.core.v1.Secret(
                    f"{self._name}-{secret}",
                    metadata=label_object(secret, release.namespace, secret),
                    string_data={container_logs.LOKI_PASSWORD_KEY: pulumi.Output.secret(password)},
                    opts=opts,
                )
            ]
        if release.name == monitoring_stack.RELEASE:
            secret, given = monitoring_stack.GRAFANA_SECRET, self._args.grafana_password
            password = generate_secret(f"{self._name}-grafana-password", self._child) if given is None else given
            return [
                k8s.core.v1.Secret(
                    f"{self._name}-{secret}",
                    metadata=label_object(secret, release.namespace, secret),
                    string_data={"admin-user": "admin", "admin-password": pulumi.Output.secret(password)},
                    opts=opts,
                )
            ]
        return []

    def _declare_infiniband(self, opts: pulumi.ResourceOptions) -> None:
        k8s.apiextensions.CustomResource(
            f"{self._name}-infiniband",
            api_version="mellanox.com/v1alpha1",
            kind="NicClusterPolicy",
            # The operator accepts no other name.
            metadata=label_object("nic-cluster-policy", None, gpu_stack.NETWORK_OPERATOR),
            spec=gpu_stack.describe_infiniband(),
            opts=opts,
        )


def _check_args(args: ChartAddOnsArgs) -> list[Problem]:
    needs_password = any(container_logs.needs_password(release) for release in args.releases)
    if not needs_password or args.loki_password is not None:
        return []
    rule = "monitoring.logs.loki.username is set, and its password is not"
    fix = "Set it: pulumi config set --secret novacron:lokiPassword. Or remove the username"
    return [Problem("novacron:lokiPassword", None, rule, fix)]
