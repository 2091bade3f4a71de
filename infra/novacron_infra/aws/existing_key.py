"""A KMS key that exists: lookups of what it and its policy must have. Nothing here declares a resource."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi_aws as aws

from novacron_infra.aws.cloud_control import find_properties
from novacron_infra.existing import Lookups, differs

_KEY = "key_arn"
_NODE_ROLE = "AWSServiceRoleForAutoScaling"
_STATEMENTS = "docs/existing-resources.md has the statement"


def check_key(lookups: Lookups, key_arn: str, region: str, *, events: bool) -> None:
    """Look up a key, and add a problem for everything that it lacks.

    Args:
        lookups: receives the problems.
        key_arn: the key.
        region: the region that encrypts with it.
        events: whether EventBridge publishes alerts to a topic that is encrypted with it.
    """
    command = f"aws kms list-keys --region {region}"
    find = lookups.find
    key = find(
        _KEY, key_arn, f"KMS key in {region}", command, lambda: aws.kms.get_key(key_id=key_arn, opts=lookups.opts)
    )
    if key is None:
        return
    rule = f"its state is {key.key_state}, and nothing can be encrypted with it"
    fix = f"Run `aws kms enable-key --region {region} --key-id {key_arn}`, or name another key"
    lookups.require(not differs(key.key_state, "Enabled"), _KEY, key_arn, rule, fix)
    rule = f"it is {key.key_spec} for {key.key_usage}, and services encrypt with SYMMETRIC_DEFAULT for ENCRYPT_DECRYPT"
    holds = not differs(key.key_spec, "SYMMETRIC_DEFAULT") and not differs(key.key_usage, "ENCRYPT_DECRYPT")
    lookups.require(holds, _KEY, key_arn, rule, "Name a symmetric key for encryption")
    rule = "AWS manages it, and its policy admits one service only"
    lookups.require(not differs(key.key_manager, "CUSTOMER"), _KEY, key_arn, rule, "Name a customer managed key")
    _check_policy(lookups, key_arn, region, events=events)


def _check_policy(lookups: Lookups, key_arn: str, region: str, *, events: bool) -> None:
    # GetKey tells neither rotation nor policy; the Cloud Control API does, in the key's own account.
    properties = find_properties(lookups, "AWS::KMS::Key", key_arn.rpartition("/")[2])
    if properties is None:
        what = "its rotation and policy are not checked: these credentials lack cloudformation:GetResource"
        lookups.warn(_KEY, key_arn, what)
        return
    if not properties:  # a simulated cloud
        return
    if properties.get("EnableKeyRotation") is not True:
        command = f"aws kms enable-key-rotation --region {region} --key-id {key_arn} --rotation-period-in-days 90"
        lookups.warn(_KEY, key_arn, f"it is not rotated. `{command}` rotates it")
    policy = properties.get("KeyPolicy", {})
    document = cast("dict[str, Any]", json.loads(policy) if isinstance(policy, str) else policy)
    statements = [item for item in document.get("Statement", []) if item.get("Effect") == "Allow"]
    account = key_arn.split(":")[4]
    wanted: list[tuple[str, str, tuple[str, ...], str]] = [
        ("AccountDecides", "AWS", (account, f":iam::{account}:root"), "leave rights to IAM, which roles need"),
        ("LogGroups", "Service", (f"logs.{region}.amazonaws.com",), f"admit logs.{region}.amazonaws.com"),
    ]
    if events:
        wanted.append(("EventsForTopics", "Service", ("events.amazonaws.com",), "admit events.amazonaws.com"))
    for statement, kind, principals, what in wanted:
        holds = any(_admits(item, kind, principals) for item in statements)
        fix = f"Add it to the policy: {_STATEMENTS} {statement}"
        lookups.require(holds, _KEY, key_arn, f"its policy does not {what}", fix)
    if not any(_admits(item, "AWS", (_NODE_ROLE,)) for item in statements):
        what = f"its policy does not name {_NODE_ROLE}, which starts nodes with encrypted disks"
        lookups.warn(_KEY, key_arn, f"{what}. Unless a grant does, nodes do not start: {_STATEMENTS} DisksOfNodes")


def _admits(statement: Mapping[str, Any], kind: str, parts: Sequence[str]) -> bool:
    """Return whether a statement admits a principal of a kind, `AWS` or `Service`, whose name ends with a part."""
    principal = statement.get("Principal", {})
    named = principal if isinstance(principal, str) else cast("dict[str, Any]", principal).get(kind, [])
    names = [named] if isinstance(named, str) else cast("list[str]", named)
    return any(name == "*" or name.endswith(tuple(parts)) for name in names)
