"""The rules of the pack as data: each check with its name, severity, remedy and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pulumi_policy import PolicyComplianceFramework, Severity

from novacron_policy.checks.encryption import check_customer_key_encryption
from novacron_policy.checks.gpu import check_gpu_taint_and_toleration
from novacron_policy.checks.network import check_private_api_endpoint
from novacron_policy.checks.routing import check_health_check_on_routed_record
from novacron_policy.checks.workloads import check_digest_pinned_image, check_no_privileged_pod
from novacron_policy.properties import Value

Check = Callable[[str, Value], Iterator[str]]
"""A function from the type and the properties of a resource to the reasons why it violates the policy."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy of the pack."""

    name: str
    check: Check
    severity: Severity
    resources: str
    """The resources that it checks."""
    remedy: str
    """The remedy for a violation."""
    limits: str
    """The limits of the check."""
    framework: PolicyComplianceFramework | None = None
    tags: tuple[str, ...] = ()
    """The checks of checkov 3.3 with the same aim."""

    @property
    def description(self) -> str:
        """The requirement in one sentence: the first line of the docstring of the check."""
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
        check_private_api_endpoint,
        Severity.HIGH,
        resources="EKS, GKE and AKS clusters",
        remedy="Make the endpoint private, or name the networks that may reach it: IPv4 networks of /8 or narrower, "
        "IPv6 networks of /32 or narrower.",
        limits="Who may sign in. A client in an allowed network still needs credentials.",
        framework=_cis_eks("5.4.1"),
        tags=("CKV_AWS_38", "CKV_AWS_39", "CKV_GCP_20", "CKV_AZURE_6", "CKV_AZURE_115"),
    ),
    Rule(
        "customer-key-encryption",
        check_customer_key_encryption,
        Severity.MEDIUM,
        resources="secrets of clusters; node disks and volumes; EFS, FSx for Lustre, Managed Lustre on Google Cloud "
        "and Azure, Filestore; object storage; RDS, Cloud SQL and Azure Database for PostgreSQL; ElastiCache, "
        "Memorystore and Azure Managed Redis; ECR, Artifact Registry and Azure Container Registry; Secrets Manager and "
        "Secret Manager; log groups of CloudWatch and log buckets of Google Cloud; topics of SNS and Pub/Sub",
        remedy="Name a key of your own key management service in the property that the message names.",
        limits="Buckets whose encryption no resource sets, and disks that an AWS launch template does not list: they "
        "use the default key of the account. The log buckets `_Default` and `_Required` of Google Cloud, which come "
        "with the project (`docs/decisions/0008-logs-on-google-cloud-keep-the-projects-key.md`). NVMe disks inside "
        "machines, which the hardware encrypts.",
        framework=_cis_eks("5.3.1"),
        tags=(
            "CKV_AWS_26",
            "CKV_AWS_58",
            "CKV_AWS_136",
            "CKV_AWS_149",
            "CKV_AWS_158",
            "CKV_AWS_184",
            "CKV_AWS_189",
            "CKV_AWS_191",
            "CKV_GCP_37",
            "CKV_GCP_83",
            "CKV_GCP_84",
            "CKV_AZURE_93",
            "CKV_AZURE_117",
        ),
    ),
    Rule(
        "gpu-taint-and-toleration",
        check_gpu_taint_and_toleration,
        Severity.MEDIUM,
        resources="EKS node groups, GKE and AKS node pools (including those inside the resource of their cluster); "
        + _PODS,
        remedy="Give the pool the taint `nvidia.com/gpu` with NoSchedule, and give the toleration to pods that request "
        "GPUs (whole GPUs, shared GPUs or MIG slices). Name the machine of an EKS node group without GPUs in "
        "`instanceTypes`: its launch template is another resource, which the policy cannot read.",
        limits="Karpenter's node pools, self-managed node groups, pods that get GPUs through resource claims, GPUs of "
        "AMD.",
    ),
    Rule(
        "no-privileged-pod",
        check_no_privileged_pod,
        Severity.HIGH,
        resources=_PODS,
        remedy="Remove `privileged`, `allowPrivilegeEscalation` and the capabilities ALL and SYS_ADMIN. Exempt a "
        "driver or a device plugin that needs them by its URN, with the reason.",
        limits="Privilege escalation that is not explicitly disabled, other capabilities, host paths and host "
        "namespaces.",
        framework=_cis_eks("4.2.1"),
        tags=("CKV_K8S_16", "CKV_K8S_20", "CKV_K8S_39"),
    ),
    Rule(
        "digest-pinned-image",
        check_digest_pinned_image,
        Severity.MEDIUM,
        resources=_PODS + ", including their image volumes",
        remedy="End the name of the image with `@sha256:` and the digest that you tested. The tag may stay before it.",
        limits="Whether the image exists, and its signature. Images that were loaded onto the nodes: those of "
        "`localhost/` with the pull policy `Never`.",
        tags=("CKV_K8S_43",),
    ),
    Rule(
        "health-check-on-routed-record",
        check_health_check_on_routed_record,
        Severity.HIGH,
        resources="Route 53 records and Cloud DNS record sets with a routing policy, Traffic Manager profiles and "
        "endpoints",
        remedy="Route 53: set `healthCheckId`, or use an alias with `evaluateTargetHealth`. Cloud DNS: set "
        "`healthCheckedTargets`, and `healthCheck` for external targets. Traffic Manager: set a probe in "
        "`monitorConfig`, and remove `alwaysServe`.",
        limits="What the health check requests, and how fast it reacts.",
    ),
)
