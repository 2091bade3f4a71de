"""Simulated clouds: errors, faults, several regions, cancellation, and reading what the program does not manage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from novacron_rehearsal import Event, Options, Severity, StepOp, StepStarted, Workspace
from novacron_rehearsal.clouds import serve_clouds, write_plugins
from novacron_rehearsal.clouds.outputs import LABEL

from tests.rehearsal.clouds.conftest import Site, taken
from tests.rehearsal.clouds.programs import PROGRAMS, SIZES

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"


def test_a_misspelt_property_is_reported_with_a_fix_before_any_resource_is_created(site: Site) -> None:
    site.write(PROGRAMS["aws"].replace('"desired_size": size', '"desired_sizes": size'))
    for result in (site.workspace.preview(site.options), site.up()):
        assert not result.succeeded
        assert f"{NODE_GROUP} resource 'pool' has a problem: scalingConfig.desired_sizes" in result.errors
        assert "write 'desiredSize'" in result.errors
    assert NODE_GROUP not in " ".join(site.made("aws"))


def test_a_node_group_without_capacity_fails_alone_and_a_second_run_completes(site: Site) -> None:
    site.faults.write_text(f"- {{fault: capacity, type: '{NODE_GROUP}', region: us-east-1, times: 1}}")
    site.write(PROGRAMS["aws"])
    first = site.up()
    assert not first.succeeded
    assert "InsufficientInstanceCapacity" in first.errors
    assert "p5.48xlarge" in first.errors
    assert "simulated by NovaCron" in first.errors
    # Resources whose creation began before the failure are recorded; how many depends on what ran at the same time.
    left = site.made("aws")
    assert NODE_GROUP not in " ".join(left)
    assert left == sorted(f"{s.type} {s.id}" for s in site.workspace.snapshot().resources if s.type.startswith("aws:"))
    assert taken(site.workspace.refresh(site.options)) == {}
    assert taken(site.up()) == {"create": SIZES["aws"] - len(left)}
    assert len(site.made("aws")) == SIZES["aws"]


def test_a_region_that_is_down_fails_its_own_resources_only(site: Site) -> None:
    site.write("""
        import pulumi, pulumi_aws as aws
        for region in ("us-east-1", "eu-west-1"):
            there = pulumi.ResourceOptions(provider=aws.Provider(region, region=region))
            queue = aws.sqs.Queue(f"queue-{region}", opts=there)
            pulumi.export(region, queue.arn)
    """)
    site.faults.write_text("- {fault: region_down, region: eu-west-1}")
    down = site.up()
    assert not down.succeeded
    assert "Could not connect to the endpoint of eu-west-1" in down.errors
    site.faults.write_text("")
    # Both providers are at one port; only their connections differ.
    arns = site.up().outputs
    assert {region: str(arn).split(":")[3] for region, arn in arns.items()} == {
        "us-east-1": "us-east-1",
        "eu-west-1": "eu-west-1",
    }


def test_cancel_ends_a_slow_creation(site: Site) -> None:
    site.faults.write_text(f"- {{fault: slow, type: '{NODE_GROUP}', seconds: 3600}}")
    site.write(PROGRAMS["aws"])

    def cancel_at_the_node_group(event: Event) -> None:
        if isinstance(event, StepStarted) and NODE_GROUP in event.urn and event.op is StepOp.CREATE:
            site.workspace.cancel()

    result = site.workspace.up(site.options, cancel_at_the_node_group)
    assert result.cancelled
    assert NODE_GROUP not in " ".join(site.made("aws"))


def test_a_second_resource_of_the_same_name_is_refused(site: Site) -> None:
    site.write("""
        import pulumi_aws as aws
        for name in ("one", "two"):
            aws.sqs.Queue(name, name="jobs")
    """)
    result = site.up()
    assert not result.succeeded
    assert "already exists in us-east-1 (simulated by NovaCron); give it another name" in result.errors


def test_a_name_used_in_another_region_is_refused_for_types_with_global_names(site: Site) -> None:
    site.write("""
        import pulumi, pulumi_aws as aws
        for region in ("us-east-1", "eu-west-1"):
            there = pulumi.ResourceOptions(provider=aws.Provider(region, region=region))
            aws.sqs.Queue(f"queue-{region}", name="jobs", opts=there)
            aws.iam.Role(f"role-{region}", name="nodes", assume_role_policy="{}", opts=there)
    """)
    result = site.up()
    assert "aws:iam/role:Role 'nodes' already exists" in result.errors
    assert "aws:sqs/queue:Queue" not in result.errors


def test_a_replacement_has_a_new_name_or_is_created_after_the_deletion(site: Site) -> None:
    program = """
        import pulumi, pulumi_aws as aws
        free = aws.ec2.PlacementGroup("free", strategy="{strategy}")
        fixed = aws.ec2.PlacementGroup("fixed", name="fixed", strategy="{strategy}")
        pulumi.export("names", pulumi.Output.all(free.name, fixed.name))
    """
    site.write(program.format(strategy="cluster"))
    before: Any = site.up().outputs["names"]
    site.write(program.format(strategy="spread"))
    result = site.up()
    after: Any = result.outputs["names"]
    assert after[0] != before[0]
    assert after[1] == before[1] == "fixed"
    steps = [(step.op.value, step.urn.rpartition("::")[2]) for step in result.steps]
    assert steps.index(("create-replacement", "free")) < steps.index(("delete-replaced", "free"))
    assert steps.index(("delete-replaced", "fixed")) < steps.index(("create-replacement", "fixed"))
    assert len(site.made("aws")) == 2
    assert taken(site.up()) == {}


def test_a_function_that_the_simulation_lacks_is_named_in_the_error(site: Site) -> None:
    site.write("""
        import pulumi_aws as aws
        aws.ec2.get_key_pair(key_name="ops")
    """)
    result = site.workspace.preview(site.options)
    assert not result.succeeded
    assert "the simulated aws lacks the function aws:ec2/getKeyPair:getKeyPair" in " ".join(
        d.message for d in result.diagnostics
    )


def test_resources_of_a_real_cloud_are_neither_changed_nor_deleted(site: Site) -> None:
    site.write("""
        import pulumi_aws as aws
        aws.sqs.Queue("jobs")
    """)
    assert site.up().succeeded
    exported = site.workspace.export()
    for state in exported["deployment"]["resources"]:
        state.get("outputs", {}).pop(LABEL, None)
    site.workspace.import_(exported)
    for result in (site.workspace.refresh(site.options), site.workspace.destroy(site.options)):
        assert not result.succeeded
        assert "was not created by a simulated cloud" in result.errors
    assert len(site.made("aws")) == 1


def test_a_message_says_that_the_clouds_are_simulated(site: Site) -> None:
    site.write(PROGRAMS["kubernetes"])
    told = [diagnostic.message for diagnostic in site.workspace.preview(site.options).diagnostics]
    assert "NovaCron simulates kubernetes: it uses no account and creates nothing in a cloud" in told


def test_a_value_that_the_sdk_does_not_list_is_a_warning(site: Site) -> None:
    site.write(PROGRAMS["azure-native"].replace("count=size,", 'count=size, os_sku="Ubunto",'))
    result = site.workspace.preview(site.options)
    assert result.succeeded
    warnings = [item.message for item in result.diagnostics if item.severity is Severity.WARNING]
    assert [text for text in warnings if "osSKU is 'Ubunto'; write 'Ubuntu'" in text]


def test_a_resource_outside_the_program_can_be_read(tmp_path: Path) -> None:
    with serve_clouds(["aws"]) as ports:
        site = Site(tmp_path, ports, tmp_path, tmp_path)
        site.write("""
            import pulumi, pulumi_aws as aws
            vpc = aws.ec2.Vpc.get("shared", "vpc-0123456789abcdef0")
            aws.ec2.InternetGateway("internet", vpc_id=vpc.id)
            cluster = aws.eks.Cluster.get("existing", "gpu")
            pulumi.export("vpc", vpc.arn)
            pulumi.export("cluster", cluster.arn)
        """)
        result = site.up()
        assert taken(result) == {"create": 3, "read": 2}
        assert str(result.outputs["vpc"]).startswith("arn:aws:ec2:us-east-1:123456789012:vpc/")
        assert result.outputs["cluster"] == "arn:aws:eks:us-east-1:123456789012:cluster/gpu"


def test_plugin_processes_find_the_resources_of_earlier_ones(tmp_path: Path) -> None:
    plugins, exists, project = write_plugins(tmp_path / "plugins"), tmp_path / "exists", tmp_path / "project"
    project.mkdir()
    site = Site(project, {}, exists, tmp_path)
    site.workspace = Workspace(project, "dev", passphrase="x", env={"NOVACRON_CLOUDS_STATE": str(exists)})
    site.options = Options(in_process=True, plugin_paths=plugins)
    site.write(PROGRAMS["aws"])
    assert taken(site.up()) == {"create": 9}
    lost = next(exists.joinpath("aws").glob("*.json"))
    lost.unlink()
    assert taken(site.workspace.refresh(site.options)) == {"delete": 1}
    assert taken(site.up())["create"] == 1
    assert site.workspace.destroy(site.options).succeeded
    assert site.made("aws") == []


def test_plugin_processes_without_a_folder_trust_the_programs_state(tmp_path: Path) -> None:
    site = Site(tmp_path, {}, tmp_path, tmp_path)
    site.options = replace(site.options, attached_providers={}, plugin_paths=write_plugins(tmp_path / "plugins"))
    site.write(PROGRAMS["aws"])
    assert site.up().succeeded
    assert taken(site.workspace.refresh(site.options)) == {}
    assert taken(site.workspace.destroy(site.options)) == {"delete": 9}
