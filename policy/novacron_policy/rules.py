"""The pack's rules as data: each check with its name, its weight, what else asks for the same, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pulumi_policy import PolicyComplianceFramework, Severity

from novacron_policy.checks.encryption import customer_key_encryption
from novacron_policy.checks.gpu import gpu_taint_and_toleration
from novacron_policy.checks.network import private_api_endpoint
from novacron_policy.checks.routing import health_check_on_routed_record
from novacron_policy.checks.workloads import digest_pinned_image, no_privileged_pod

Check = Callable[[str, Any], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy of the pack."""

    name: str
    check: Check
    severity: Severity
    looks_at: str
    """The resources that it reads."""
    remedy: str
    limits: str
    """What it cannot see, and who has to."""
    framework: PolicyComplianceFramework | None = None
    tags: tuple[str, ...] = ()
    """Checks of checkov 3.3 that ask for the same."""

    @property
    def description(self) -> str:
        """What it asks for, in a sentence."""
        return (self.check.__doc__ or "").strip().splitlines()[0]


def _cis_eks(reference: str) -> PolicyComplianceFramework:
    return PolicyComplianceFramework("CIS Amazon EKS Benchmark", version="1.0.1", reference=reference)


_PODS = (
    "Kubernetes workloads of every kind, their lists and patches, and custom resources that list containers "
    "(LeaderWorkerSet, JobSet, RayCluster)"
)

RULES = (
    Rule(
        "private-api-endpoint",
        private_api_endpoint,
        Severity.HIGH,
        looks_at="EKS, GKE and AKS clusters",
        remedy="Make the endpoint private, or name the networks that may reach it: IPv4 networks of /8 or narrower, "
        "IPv6 of /32 or narrower.",
        limits="Who may sign in: a network that is let in still needs credentials.",
        framework=_cis_eks("5.4.1"),
        tags=("CKV_AWS_38", "CKV_AWS_39", "CKV_GCP_20", "CKV_AZURE_6", "CKV_AZURE_115"),
    ),
    Rule(
        "customer-key-encryption",
        customer_key_encryption,
        Severity.MEDIUM,
        looks_at="clusters' secrets; node disks and volumes; EFS, FSx for Lustre, Managed Lustre of Google and Azure, "
        "Filestore; object storage; RDS, Cloud SQL and Azure's Postgres; ElastiCache, Memorystore and Azure Managed "
        "Redis; ECR, Artifact Registry and Azure Container Registry; Secrets Manager and Secret Manager; CloudWatch's "
        "log groups and Google's log buckets",
        remedy="Name a key of your own key management service in the property that the message gives.",
        limits="A bucket whose encryption no resource sets, and disks that an AWS launch template does not list: they "
        "have the account's default key. Google's log buckets `_Default` and `_Required`, which come with the project "
        "(`docs/decisions/0008-googles-logs-keep-the-projects-key.md`). Machines' own NVMe disks, which the hardware "
        "encrypts.",
        framework=_cis_eks("5.3.1"),
        tags=(
            "CKV_AWS_58",
            "CKV_AWS_136",
            "CKV_AWS_149",
            "CKV_AWS_158",
            "CKV_AWS_184",
            "CKV_AWS_189",
            "CKV_AWS_191",
            "CKV_GCP_37",
            "CKV_GCP_84",
            "CKV_AZURE_93",
            "CKV_AZURE_117",
        ),
    ),
    Rule(
        "gpu-taint-and-toleration",
        gpu_taint_and_toleration,
        Severity.MEDIUM,
        looks_at="EKS node groups, GKE and AKS node pools (also those written inside their cluster); " + _PODS,
        remedy="Give the pool the taint `nvidia.com/gpu` with NoSchedule, and the pods that ask for GPUs (whole ones, "
        "shared ones or MIG slices) the toleration. An EKS node group without GPUs names its machine in "
        "`instanceTypes`: in the launch template, which is another resource, the policy cannot see it.",
        limits="Karpenter's pools, self-managed groups, pods that get GPUs by resource claims, AMD's GPUs.",
    ),
    Rule(
        "no-privileged-pod",
        no_privileged_pod,
        Severity.HIGH,
        looks_at=_PODS,
        remedy="Remove `privileged`, `allowPrivilegeEscalation` and the capabilities ALL and SYS_ADMIN. A driver or "
        "device plugin that cannot do without is exempted by its URN, with the reason.",
        limits="Escalation that is merely not forbidden, other capabilities, host paths and host namespaces: policies "
        "of their own.",
        framework=_cis_eks("4.2.1"),
        tags=("CKV_K8S_16", "CKV_K8S_20", "CKV_K8S_39"),
    ),
    Rule(
        "digest-pinned-image",
        digest_pinned_image,
        Severity.MEDIUM,
        looks_at=_PODS + "; image volumes too",
        remedy="End the image's name with `@sha256:` and the digest that was tested; a tag may stand before it.",
        limits="Whether the image exists and who signed it.",
        tags=("CKV_K8S_43",),
    ),
    Rule(
        "health-check-on-routed-record",
        health_check_on_routed_record,
        Severity.HIGH,
        looks_at="Route 53 records with a routing policy, Cloud DNS record sets with one, Traffic Manager profiles and "
        "endpoints",
        remedy="Route 53: `healthCheckId`, or an alias with `evaluateTargetHealth`. Cloud DNS: `healthCheckedTargets`, "
        "with `healthCheck` where they are external. Traffic Manager: a probe in `monitorConfig`, no `alwaysServe`.",
        limits="Whether the check asks the right question, and how fast it answers.",
    ),
)
