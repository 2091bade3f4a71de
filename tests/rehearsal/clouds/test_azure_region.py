"""Two regions on the simulated Azure, with copies of the models between them: made, changed and gone."""

from __future__ import annotations

from pathlib import Path

from novacron_rehearsal import PolicyPackSpec

from tests.rehearsal.clouds.conftest import Site, taken

PACK = PolicyPackSpec(Path(__file__).parents[3] / "policy")
PROGRAM = """
    from ipaddress import IPv4Network

    import pulumi, pulumi_azure_native as azure_native
    from novacron_infra.azure import AzureModelReplication, AzureModelReplicationArgs, ReplicaArgs
    from novacron_infra.azure.region import AzureRegion, AzureRegionArgs
    from novacron_infra.pools import NodePoolShape, NodeRole
    from novacron_infra.regions import RegionSpec
    from novacron_infra.stores import AzureBlobStore
    from novacron_infra.tags import Tags

    tags, workers = Tags(environment="lab"), pulumi.Config().get_int("workers") or 1

    def region(name, network, account):
        provider = azure_native.Provider(name, location=name)
        return AzureRegion(
            f"lab-{name}",
            AzureRegionArgs(
                subscription_id="00000000-0000-0000-0000-000000000000",
                spec=RegionSpec(
                    region=name,
                    zones=(),
                    network=IPv4Network(network),
                    kubernetes_version="1.35",
                    admins=("33333333-3333-3333-3333-333333333333",),
                    pools={
                        "coordinators": NodePoolShape(
                            role=NodeRole.COORDINATOR, machine="Standard_D64s_v5", nodes=3, zones=("1", "2", "3")
                        ),
                        "workers": NodePoolShape(
                            role=NodeRole.WORKER, machine="Standard_ND96isr_H100_v5", nodes=workers, zones=()
                        ),
                    },
                    store=AzureBlobStore(account=account, container="models"),
                    postgres_storage_gib=128,
                    redis_nodes=6,
                    tags=tags,
                    protect=False,
                    add_ons=True,
                ),
            ),
            pulumi.ResourceOptions(providers=[provider]),
        )

    source, replica = region("westus2", "10.0.0.0/16", "labmodels"), region("eastus", "10.1.0.0/16", "labmodelseast")
    AzureModelReplication(
        "lab-models",
        AzureModelReplicationArgs(
            source_account=source.store.account.name,
            source_account_id=source.store.account_id,
            source_container=source.store.container_name,
            source_resource_group=source.resource_group_name,
            replicas={
                "eastus": ReplicaArgs(
                    account=replica.store.account.name,
                    account_id=replica.store.account_id,
                    container=replica.store.container_name,
                    resource_group=replica.resource_group_name,
                )
            },
            tags=tags,
        ),
    )
    for name, value in source.results.export().items():
        pulumi.export(name, value)
"""


def test_regions_come_up_stay_as_they_are_and_go_without_a_trace(site: Site) -> None:
    site.write(PROGRAM)
    first = site.up(policy_packs=[PACK])
    assert taken(first)["create"] > 150
    assert first.policy_violations == []
    assert str(first.outputs["ingress_address"]).startswith("203.0.113.")
    assert str(first.outputs["redis_endpoint"]).endswith(".westus2.redis.azure.net:10000")
    assert all(first.outputs.values()), first.outputs
    assert taken(site.workspace.preview(site.options)) == {}

    site.write(PROGRAM, workers=2)
    changed = site.up()
    assert changed.succeeded, changed.errors
    # Resources that make secrets depend on the whole configuration.
    moved = [step for step in changed.steps if step.op.value != "same" and ":providers:" not in step.urn]
    assert {(step.op.value, step.urn.rpartition("::")[2]) for step in moved} == {
        ("update", "lab-westus2-workers-nodes"),
        ("update", "lab-eastus-workers-nodes"),
    }

    destroyed = site.workspace.destroy(site.options)
    assert destroyed.succeeded, destroyed.errors
    assert site.made("azure-native") == site.made("kubernetes") == []
