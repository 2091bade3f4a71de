"""Threat detection in a subscription by Microsoft Defender for Containers. The clusters' sensors: `cluster`.

A subscription has one plan of each kind and one security contact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_azure_native import resources

from novacron_infra.azure.checks import check_name, check_region, check_tags
from novacron_infra.config import Severity
from novacron_infra.errors import raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags

_SCHEMA = "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#"
_SEVERITIES = {Severity.LOW: "Low", Severity.MEDIUM: "Medium", Severity.HIGH: "High"}


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureThreatDetectionArgs:
    """Arguments of `AzureThreatDetection`."""

    region: str
    """Where Azure keeps the deployment's record."""
    tags: Tags
    minimum_severity: Severity = Severity.MEDIUM
    alert_emails: tuple[str, ...] = ()
    """Addresses of the subscription's security contact. Empty: the contact stays as it is."""


class AzureThreatDetection(pulumi.ComponentResource):
    """The subscription's Defender for Containers plan, and its security contact.

    Both are set by a deployment. Every subscription has the plan, free or not: azure-native refuses to create a
    resource that exists, and Azure refuses to delete a plan. So the plan and the contact stay when the stack goes.

    Raises:
        ArgumentError: if the name or the region is not valid.
    """

    def __init__(self, name: str, args: AzureThreatDetectionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *check_region(f"{name}.region", args.region)])
        super().__init__("novacron:index:AzureThreatDetection", name, None, opts)
        resources.DeploymentAtSubscriptionScope(
            f"{name}-defender",
            deployment_name=f"{name}-defender",
            location=args.region,
            properties=resources.DeploymentPropertiesArgs(
                mode=resources.DeploymentMode.INCREMENTAL,
                template={
                    "$schema": _SCHEMA,
                    "contentVersion": "1.0.0.0",
                    "resources": list_settings(args.minimum_severity, args.alert_emails),
                },
            ),
            tags=args.tags.of("security"),
            # Where the deployment's record is kept cannot be changed, and does not matter.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["location"]),
        )
        self.register_outputs({})


def list_settings(minimum: Severity, emails: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the plan and the security contact, as resources of a template.

    Args:
        minimum: least severity of an alert that is sent.
        emails: addresses of the contact. Empty: there is no contact in the template.
    """
    plan = {
        "type": "Microsoft.Security/pricings",
        "apiVersion": "2024-01-01",
        "name": "Containers",
        "properties": {
            "pricingTier": "Standard",
            # The sensor reports what processes do on the nodes. Findings in audit logs need nothing else.
            "extensions": [{"name": "ContainerSensor", "isEnabled": "True"}],
        },
    }
    if not emails:
        return [plan]
    contact = {
        "type": "Microsoft.Security/securityContacts",
        "apiVersion": "2023-12-01-preview",
        "name": "default",
        "properties": {
            "emails": ";".join(emails),
            "isEnabled": True,
            "notificationsByRole": {"state": "On", "roles": ["Owner"]},
            "notificationsSources": [{"sourceType": "Alert", "minimalSeverity": _SEVERITIES[minimum]}],
        },
    }
    return [plan, contact]
