"""Accounts, administrators and receivers of alarms, as each cloud names them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem
from novacron_infra.shown_values import show_value

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""Ids of Azure's subscriptions and of Entra's groups."""
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/(?!/)([\w+=,.@-]+/)*[\w+=,.@-]{1,64}", re.ASCII)
_SESSION = re.compile(r"arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([^/]+)(/.*)?")
_SERVICE_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/aws-service-role/.+")
_MEMBER = re.compile(
    r"(user|group):[^@\s:]+@[^@\s:]+\.[^@\s:.]+|serviceAccount:[^@\s:]+@[^@\s:]+\.gserviceaccount\.com"
)
_EMAIL = re.compile(r"[^@\s:/]+@[^@\s:/]+\.[^@\s:/.]+")
_PROJECT = re.compile(r"([a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_CHANNEL = re.compile(r"projects/[^/\s]+/notificationChannels/[0-9]+")
_ACTION_GROUP = re.compile(
    rf"/subscriptions/{UUID.pattern}/resourceGroups/[^/\s]+/providers/microsoft\.insights/actionGroups/[^/\s]+",
    re.IGNORECASE,
)
_ROLE_EXAMPLE = "arn:aws:iam::123456789012:role/operators"
_GROUP_EXAMPLE = "00000000-0000-0000-0000-000000000000"


def check_admins(path: str, admins: Sequence[str], cloud: Cloud) -> Iterator[Problem]:
    """Yield a problem for each administrator of a cluster that the cloud does not accept, or that is there twice.

    Args:
        path: the path of the list.
        admins: its items: ARNs of roles and users on AWS, members of IAM policies on Google Cloud, and object ids of
            Entra groups on Azure.
        cloud: the cluster's cloud.
    """
    earlier: set[str] = set()
    for index, admin in enumerate(admins):
        where, folded = f"{path}.{index}", admin if cloud is Cloud.AWS else admin.lower()
        found = _CHECKS[cloud](admin)
        if found is not None:
            yield Problem(where, show_value(admin), *found)
        elif folded in earlier:
            yield Problem(where, show_value(admin), "the list has this administrator twice", "Remove one of them")
        earlier.add(folded)


def _describe_aws(admin: str) -> tuple[str, str] | None:
    if _SERVICE_ROLE.fullmatch(admin):
        return (
            "it is the role of an AWS service, which EKS does not accept",
            f"Use a role of yours, like {_ROLE_EXAMPLE}",
        )
    if _PRINCIPAL.fullmatch(admin):
        return None
    if session := _SESSION.fullmatch(admin):
        partition, account, role = session[1], session[2], session[3]
        fix = f"Use the role itself: arn:{partition}:iam::{account}:role/{role}, with the role's path if it has one"
        return "it is the session of a role, which ends", fix
    if re.match(r"arn:aws[a-z-]*:iam::[0-9]*:group/", admin):
        return "EKS accepts no groups of IAM", f"Use a role that the group's users may assume, like {_ROLE_EXAMPLE}"
    if re.fullmatch(r"arn:aws[a-z-]*:iam::[0-9]*:root", admin):
        return "it is an account, not a role or a user", f"Use a role of the account, like {_ROLE_EXAMPLE}"
    if re.match(r"arn:aws[a-z-]*:iam::(?![0-9]{12}:)", admin):
        return "the account in it does not have 12 digits", f"Write it like {_ROLE_EXAMPLE}"
    return "it is not the ARN of an IAM role or user", f"Write it like {_ROLE_EXAMPLE}"


def _describe_google(admin: str) -> tuple[str, str] | None:
    if _MEMBER.fullmatch(admin):
        return None
    if _EMAIL.fullmatch(admin):
        kind = "serviceAccount" if admin.endswith(".gserviceaccount.com") else "user"
        other = "" if kind == "serviceAccount" else f" or group:{admin}"
        return "it does not say what kind of account it is", f"Use {kind}:{admin}{other}"
    if admin.startswith("serviceAccount:"):
        fix = "Write it like serviceAccount:name@project.iam.gserviceaccount.com"
        return "the address of a service account ends with .gserviceaccount.com", fix
    fix = "Write it like group:operators@example.com"
    return "an administrator on Google Cloud is user:, group: or serviceAccount: and an address", fix


def _describe_azure(admin: str) -> tuple[str, str] | None:
    if UUID.fullmatch(admin):
        return None
    fix = f"Write it like {_GROUP_EXAMPLE}; `az ad group show --group NAME --query id` prints it"
    return "it is not the object id of an Entra group", fix


_CHECKS = {Cloud.AWS: _describe_aws, Cloud.GCP: _describe_google, Cloud.AZURE: _describe_azure}


def check_project(path: str, project: str) -> Iterator[Problem]:
    """Yield a problem if this is not the id of a Google Cloud project."""
    if not _PROJECT.fullmatch(project):
        rule = "a project's id has 6 to 30 lower-case letters, digits and hyphens, and starts with a letter"
        yield Problem(path, show_value(project), rule, "Use the project's id, not its name or number: example-prod")


def check_subscription(path: str, subscription_id: str) -> Iterator[Problem]:
    """Yield a problem if this is not the id of an Azure subscription."""
    if not UUID.fullmatch(subscription_id):
        fix = f"Write it like {_GROUP_EXAMPLE}; `az account show --query id` prints it"
        yield Problem(path, show_value(subscription_id), "it is not the id of a subscription", fix)


MOST_RECEIVERS = {Cloud.AWS: 5, Cloud.GCP: 16, Cloud.AZURE: 5}
"""Receivers of one alarm: actions of an alarm in CloudWatch, channels of a policy, action groups of a rule."""


def check_receivers(path: str, receivers: Sequence[str], cloud: Cloud) -> Iterator[Problem]:
    """Yield a problem for a receiver of alarms that is there twice, and for more receivers than the cloud allows."""
    for index, receiver in enumerate(receivers):
        if receiver in receivers[:index]:
            yield Problem(f"{path}.{index}", show_value(receiver), "the list has this receiver twice", "Remove one")
    if len(receivers) > (most := MOST_RECEIVERS[cloud]):
        yield Problem(path, f"{len(receivers)} receivers", f"an alarm has at most {most}", f"Keep at most {most}")


def check_topics(path: str, topics: Sequence[str], region: str | None) -> Iterator[Problem]:
    """Yield a problem for each text that is not the ARN of an SNS topic in `region`; None: the region is not known."""
    for index, topic in enumerate(topics):
        where = f"{path}.{index}"
        example = f"arn:aws:sns:{region or 'us-west-2'}:123456789012:alarms"
        found = _TOPIC.fullmatch(topic)
        if found is None:
            fix = f"Write it like {example}"
            if "@" in topic:
                fix = f"Subscribe the address to an SNS topic, and use the topic's ARN, like {example}"
            yield Problem(where, show_value(topic), "it is not the ARN of an SNS topic", fix)
        elif region is not None and found[1] != region:
            rule = f"the topic is in {found[1]}, and alarms of {region} reach topics of {region} only"
            yield Problem(where, show_value(topic), rule, f"Use a topic in {region}, like {example}")


def check_channels(path: str, channels: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem for each text that is not a notification channel of Cloud Monitoring."""
    for index, channel in enumerate(channels):
        if not _CHANNEL.fullmatch(channel):
            rule = "it is not a notification channel of Cloud Monitoring"
            fix = "Write it like projects/example-prod/notificationChannels/1234567890"
            yield Problem(f"{path}.{index}", show_value(channel), rule, fix)


def check_action_groups(path: str, groups: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem for each text that is not the resource id of an action group of Azure Monitor."""
    for index, group in enumerate(groups):
        if not _ACTION_GROUP.fullmatch(group):
            rule = "it is not the resource id of an action group of Azure Monitor"
            fix = (
                "Write it like /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/ops/providers/"
                "microsoft.insights/actionGroups/alarms"
            )
            yield Problem(f"{path}.{index}", show_value(group), rule, fix)
