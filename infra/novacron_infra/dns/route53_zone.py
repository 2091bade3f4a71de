"""A public hosted zone of Route 53, with DNSSEC and query logs.

Route 53 reads the signing key and writes query logs in us-east-1 only, so everything here is declared there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from novacron_infra.dns.args import GlobalEndpointArgs, Route53
from novacron_infra.resource_outputs import resolve_after

REGION = "us-east-1"
QUERY_LOG_DAYS = 90
_KEY_ROTATION_DAYS = 90
_DELETION_WINDOW_DAYS = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class HostedZone:
    """A zone that the stack created."""

    zone_id: pulumi.Output[str]
    name_servers: pulumi.Output[Sequence[str]]
    ds_record: pulumi.Output[str]
    """The record that the parent zone has to get for DNSSEC. Empty without."""


def declare_zone(name: str, args: GlobalEndpointArgs, service: Route53, parent: pulumi.Resource) -> HostedZone:
    """Declare the zone that holds the names of an endpoint."""
    protected = pulumi.ResourceOptions(parent=parent, protect=service.protect_zone)
    zone = aws.route53.Zone(f"{name}-zone", name=service.zone_name, tags=args.tagged(), opts=protected)
    if service.query_logs:
        _declare_query_logs(name, zone, args, service, parent)
    ds_record = pulumi.Output.from_input("")
    if service.dnssec:
        ds_record = _declare_dnssec(name, zone, args, protected)
    return HostedZone(zone_id=zone.zone_id, name_servers=zone.name_servers, ds_record=ds_record)


def _declare_dnssec(
    name: str, zone: aws.route53.Zone, args: GlobalEndpointArgs, protected: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """Sign the zone, and return the DS record of its key."""
    key = aws.kms.Key(
        f"{name}-dnssec",
        description=f"DNSSEC of {args.service.zone_name}",
        # The only kind that Route 53 takes. KMS cannot rotate it: a new key needs a new DS record.
        customer_master_key_spec="ECC_NIST_P256",
        key_usage="SIGN_VERIFY",
        deletion_window_in_days=_DELETION_WINDOW_DAYS,
        policy=_know_account(zone).apply(_signs),
        tags=args.tagged(),
        opts=protected,
    )
    child = pulumi.ResourceOptions(parent=protected.parent)
    signing_key = aws.route53.KeySigningKey(
        f"{name}-dnssec",
        name=args.service.zone_name.replace(".", "_").replace("-", "_"),
        hosted_zone_id=zone.zone_id,
        key_management_service_arn=key.arn,
        opts=child,
    )
    signed = aws.route53.HostedZoneDnsSec(
        f"{name}-dnssec",
        hosted_zone_id=zone.zone_id,
        opts=pulumi.ResourceOptions(parent=protected.parent, depends_on=[signing_key]),
    )
    return resolve_after(signing_key.ds_record, signed.id)


def _declare_query_logs(
    name: str, zone: aws.route53.Zone, args: GlobalEndpointArgs, service: Route53, parent: pulumi.Resource
) -> None:
    child = pulumi.ResourceOptions(parent=parent)
    account = _know_account(parent)
    key = aws.kms.Key(
        f"{name}-query-logs",
        description=f"DNS query logs of {service.zone_name}",
        enable_key_rotation=True,
        rotation_period_in_days=_KEY_ROTATION_DAYS,
        deletion_window_in_days=_DELETION_WINDOW_DAYS,
        policy=account.apply(_encrypts_logs),
        tags=args.tagged(),
        opts=child,
    )
    group = aws.cloudwatch.LogGroup(
        f"{name}-query-logs",
        name=f"/aws/route53/{service.zone_name}",  # Route 53 may write only to groups with this prefix
        kms_key_id=key.arn,
        retention_in_days=QUERY_LOG_DAYS,
        tags=args.tagged(),
        opts=child,
    )
    may_write = aws.cloudwatch.LogResourcePolicy(
        f"{name}-query-logs",
        policy_name=f"{name}-query-logs",
        policy_document=pulumi.Output.all(group=group.arn, known=account).apply(_writes_queries),
        opts=child,
    )
    aws.route53.QueryLog(
        f"{name}-query-logs",
        zone_id=zone.zone_id,
        cloudwatch_log_group_arn=group.arn,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[may_write]),
    )


def _know_account(of: pulumi.Resource) -> pulumi.Output[Mapping[str, str]]:
    """Return the `account` and the `partition` of a resource's provider."""
    partition = aws.get_partition_output(opts=pulumi.InvokeOutputOptions(parent=of)).partition
    account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=of)).account_id
    return pulumi.Output.all(account=account, partition=partition)


def _encrypts_logs(known: Mapping[str, str]) -> str:
    groups = f"arn:{known['partition']}:logs:{REGION}:{known['account']}:*"
    return _render_policy(
        _account_decides(known),
        {
            "Sid": "LogGroups",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{REGION}.amazonaws.com"},
            "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        },
    )


def _writes_queries(outputs: Mapping[str, Any]) -> str:
    return _render_policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": "route53.amazonaws.com"},
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{outputs['group']}:log-stream:*",
            "Condition": _for_zones_of(outputs["known"]),
        }
    )


def _signs(known: Mapping[str, str]) -> str:
    signer = {"Effect": "Allow", "Principal": {"Service": "dnssec-route53.amazonaws.com"}, "Resource": "*"}
    grants = _for_zones_of(known) | {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    return _render_policy(
        _account_decides(known),
        signer
        | {
            "Sid": "SignsZones",
            "Action": ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"],
            "Condition": _for_zones_of(known),
        },
        signer | {"Sid": "KeepsSigning", "Action": "kms:CreateGrant", "Condition": grants},
    )


def _for_zones_of(known: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        "StringEquals": {"aws:SourceAccount": known["account"]},
        "ArnLike": {"aws:SourceArn": f"arn:{known['partition']}:route53:::hostedzone/*"},
    }


def _account_decides(known: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Sid": "AccountDecides",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{known['partition']}:iam::{known['account']}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }


def _render_policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
