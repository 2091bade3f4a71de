"""Where a region's logs go: one Log Analytics workspace, and the settings that send logs there.

Its data is encrypted with Microsoft's keys: a key of one's own needs a dedicated cluster of 100 GB a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import monitor, operationalinsights

from novacron_infra.azure.checks import check_name, check_region, check_retention, check_tags
from novacron_infra.errors import raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags

_CONTAINERS, _CONTAINER_LOGS = "ContainerInsightsExtension", "Microsoft-ContainerLogV2"


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureLogsArgs:
    """Logs of a region."""

    region: str
    resource_group: pulumi.Input[str]
    tags: Tags
    retention_days: int = 90
    """30 to 730."""


class AzureLogs(pulumi.ComponentResource):
    """A workspace that takes no shared keys, only identities.

    Raises:
        ArgumentError: Log Analytics has no such retention.
    """

    workspace: operationalinsights.Workspace
    workspace_id: pulumi.Output[str]
    """Its resource id."""
    workspace_guid: pulumi.Output[str]
    """Workspace id for traffic analytics."""

    def __init__(self, name: str, args: AzureLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *check_retention(f"{name}.retention_days", args.retention_days),
            ]
        )
        super().__init__("novacron:index:AzureLogs", name, None, opts)
        self.workspace = operationalinsights.Workspace(
            f"{name}-workspace",
            resource_group_name=args.resource_group,
            location=args.region,
            sku=operationalinsights.WorkspaceSkuArgs(name="PerGB2018"),
            retention_in_days=args.retention_days,
            features=operationalinsights.WorkspaceFeaturesArgs(
                disable_local_auth=True, enable_log_access_using_only_resource_permissions=True
            ),
            tags=args.tags.of("logs"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.workspace_id = self.workspace.id
        self.workspace_guid = self.workspace.customer_id
        self.register_outputs({"workspace_id": self.workspace_id, "workspace_guid": self.workspace_guid})


def send_logs(
    name: str,
    source_id: pulumi.Input[str],
    workspace_id: pulumi.Input[str],
    categories: Sequence[str],
    opts: pulumi.ResourceOptions,
) -> monitor.DiagnosticSetting:
    """Sends these categories of a resource's logs to the workspace, each into the table of its own."""
    return monitor.DiagnosticSetting(
        name,
        resource_uri=source_id,
        workspace_id=workspace_id,
        log_analytics_destination_type="Dedicated",
        logs=[monitor.DiagnosticsLogSettingsArgs(category=category, enabled=True) for category in categories],
        opts=opts,
    )


def collect_container_logs(
    name: str,
    args: AzureLogsArgs,
    cluster_id: pulumi.Input[str],
    workspace_id: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> monitor.DataCollectionRuleAssociation:
    """Send the logs of an AKS cluster's containers to the workspace, into its table ContainerLogV2.

    The cluster's add-on `omsagent` collects them.
    """
    rule = monitor.DataCollectionRule(
        f"{name}-containers",
        resource_group_name=args.resource_group,
        location=args.region,
        kind="Linux",
        data_sources=monitor.DataCollectionRuleDataSourcesArgs(
            extensions=[
                monitor.ExtensionDataSourceArgs(
                    name=_CONTAINERS,
                    extension_name="ContainerInsights",
                    streams=[_CONTAINER_LOGS],
                    extension_settings={
                        "dataCollectionSettings": {
                            "interval": "1m",
                            "namespaceFilteringMode": "Off",
                            "enableContainerLogV2": True,
                        }
                    },
                )
            ]
        ),
        destinations=monitor.DataCollectionRuleDestinationsArgs(
            log_analytics=[monitor.LogAnalyticsDestinationArgs(name="workspace", workspace_resource_id=workspace_id)]
        ),
        data_flows=[monitor.DataFlowArgs(streams=[_CONTAINER_LOGS], destinations=["workspace"])],
        tags=args.tags.of("logs"),
        opts=opts,
    )
    return monitor.DataCollectionRuleAssociation(
        f"{name}-containers",
        # The add-on looks for this name.
        association_name=_CONTAINERS,
        resource_uri=cluster_id,
        data_collection_rule_id=rule.id,
        opts=opts,
    )
