"""LeaderWorkerSets (`leaderworkerset.x-k8s.io/v1`): replicas of several pods that start, fail and are updated together.

The controller makes a headless Service of the set's name, so that `LWS_LEADER_ADDRESS` resolves. It is a cluster
add-on, and its definition must be in the cluster first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import pulumi_kubernetes as k8s

from novacron_infra.workloads.custom_resources import CustomKind

LEADER_WORKER_SET = CustomKind(api_version="leaderworkerset.x-k8s.io/v1", kind="LeaderWorkerSet")
NAME_LABEL = "leaderworkerset.sigs.k8s.io/name"
"""Label that the controller gives to every pod, with the name of its set."""


class GroupRestartPolicy(str, Enum):
    """The consequence for a group of the restart of one of its pods or containers."""

    RECREATE_GROUP_AFTER_START = "RecreateGroupAfterStart"
    """The group is recreated, unless one of its pods is still pending: slow image pulls then cause no loop."""


class StartupPolicy(str, Enum):
    """When the other pods of a group are created."""

    LEADER_CREATED = "LeaderCreated"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimRetention:
    """Whether the claims of pods stay, `Retain` or `Delete`."""

    when_deleted: str = "Delete"
    when_scaled: str = "Delete"


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaderWorkerTemplate:
    """The pods of one group."""

    size: int
    """Pods of the group, the leader included."""
    leader_template: k8s.core.v1.PodTemplateSpecArgs
    worker_template: k8s.core.v1.PodTemplateSpecArgs
    restart_policy: GroupRestartPolicy = GroupRestartPolicy.RECREATE_GROUP_AFTER_START
    volume_claim_templates: Sequence[k8s.core.v1.PersistentVolumeClaimArgs] | None = None
    persistent_volume_claim_retention_policy: ClaimRetention | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RollingUpdate:
    """How groups are replaced by an update."""

    max_unavailable: int = 1
    max_surge: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutStrategy:
    """How an update is rolled out."""

    rolling_update_configuration: RollingUpdate
    type: str = "RollingUpdate"


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaderWorkerSetSpec:
    """The fields of a LeaderWorkerSet that NovaCron sets."""

    replicas: int
    leader_worker_template: LeaderWorkerTemplate
    rollout_strategy: RolloutStrategy
    startup_policy: StartupPolicy = StartupPolicy.LEADER_CREATED
