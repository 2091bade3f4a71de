from __future__ import annotations

import random
import subprocess
import sys

import pytest
from novacron_rehearsal.clouds import sdk
from novacron_rehearsal.clouds.schema import (
    Fields,
    ListOf,
    MapOf,
    Object,
    OneOf,
    Scalar,
    Type,
    load_schema,
    read_fields,
)


def nested(wanted: Type) -> list[type]:
    if isinstance(wanted, Object):
        return [wanted.cls]
    if isinstance(wanted, (ListOf, MapOf)):
        return nested(wanted.item)
    if isinstance(wanted, OneOf):
        return [cls for option in wanted.options for cls in nested(option)]
    return []


def walk(known: Fields, seen: set[type]) -> None:
    """Read every type that is reached from some fields; raises when one cannot be resolved."""
    for field in known.values():
        for cls in nested(field.type):
            if cls not in seen:
                seen.add(cls)
                walk(read_fields(cls), seen)


@pytest.mark.parametrize("package", ["aws", "gcp", "azure-native", "kubernetes"])
def test_a_sample_of_classes_is_understood_to_the_last_nested_type(package: str) -> None:
    sample = random.Random(4).sample(sdk.list_tokens(package), 150)  # noqa: S311 - the same sample every time
    seen: set[type] = set()
    for token in sample:
        known = load_schema(token)
        walk(known.inputs, seen)
        walk(known.outputs, seen)
    assert len(seen) > 150


def test_the_schema_of_a_node_group_has_its_inputs_outputs_and_nested_types() -> None:
    known = load_schema("aws:eks/nodeGroup:NodeGroup")
    assert {name for name, field in known.inputs.items() if field.required} == {
        "clusterName",
        "nodeRoleArn",
        "scalingConfig",
        "subnetIds",
    }
    assert known.inputs["subnetIds"].type == ListOf(Scalar("text"))
    assert known.inputs["tags"].type == MapOf(Scalar("text"))
    assert known.inputs["forceUpdateVersion"].type == Scalar("true or false")
    scaling = known.inputs["scalingConfig"].type
    assert isinstance(scaling, Object)
    assert {name: field.type for name, field in read_fields(scaling.cls).items()} == {
        "desiredSize": Scalar("whole number"),
        "maxSize": Scalar("whole number"),
        "minSize": Scalar("whole number"),
    }
    assert known.outputs["arn"].required
    assert not known.outputs["tags"].required
    assert "arn" not in known.inputs


def test_secret_outputs_are_those_that_the_sdk_marks() -> None:
    assert load_schema("aws:rds/instance:Instance").secret_outputs == {"password", "passwordWo"}
    assert load_schema("aws:ec2/vpc:Vpc").secret_outputs == set()


def test_only_the_sdk_modules_of_the_used_types_are_imported() -> None:
    program = """
import sys
from novacron_rehearsal.clouds.input_checks import check_inputs
check_inputs("aws:eks/cluster:Cluster", {})
print(*(name for name in sys.modules if name.startswith("pulumi_")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "pulumi_aws.eks.cluster" in loaded
    assert not [name for name in loaded if not name.startswith("pulumi_aws")]
    assert not [name for name in loaded if name.startswith(("pulumi_aws.ec2.", "pulumi_aws.s3."))]
