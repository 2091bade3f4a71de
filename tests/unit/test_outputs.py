"""The stack outputs: their page, and the types that a region's component and a reading program share."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from novacron_infra.aws.region import AwsRegionResults
from novacron_infra.azure.region import AzureRegionResults
from novacron_infra.gcp.region import GcpRegionResults
from novacron_infra.outputs import (
    AwsRegionOutputs,
    AzureRegionOutputs,
    EnvironmentOutputs,
    GcpRegionOutputs,
    render_page,
)
from novacron_infra.regions import RegionResults
from pydantic import BaseModel, ValidationError

ROOT = Path(__file__).parents[2]
REGION = {
    "platform": "aws",
    "cluster": "prod-us-west-2",
    "kubeconfig": "{}",
    "ingress_address": "lb.example.com",
    "model_store": "s3://models/models",
    "worker_identity": "arn:aws:iam::123456789012:role/workers",
    "postgres_endpoint": "postgres.example.com:5432",
    "postgres_secret": "arn:aws:secretsmanager:us-west-2:123456789012:secret:1",
    "redis_endpoint": "redis.example.com",
    "registry": "123456789012.dkr.ecr.us-west-2.amazonaws.com/prod",
    "target_group_arn": "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/prod/1",
}


def test_the_page_of_outputs_is_generated_from_the_types() -> None:
    assert (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8") == render_page()


@pytest.mark.parametrize(
    ("results", "outputs"),
    [
        (AwsRegionResults, AwsRegionOutputs),
        (GcpRegionResults, GcpRegionOutputs),
        (AzureRegionResults, AzureRegionOutputs),
    ],
)
def test_a_region_exports_the_documented_outputs(results: type[RegionResults], outputs: type[BaseModel]) -> None:
    assert {field.name for field in fields(results)} == set(outputs.model_fields)


def test_a_regions_outputs_have_the_type_of_its_cloud() -> None:
    outputs = EnvironmentOutputs.model_validate({"regions": {"us-west-2": REGION}})
    assert isinstance(outputs.regions["us-west-2"], AwsRegionOutputs)


@pytest.mark.parametrize(
    "change", [{"platform": "gcp"}, {"redis_secret": "azure's"}, {"model_store": "ftp://models"}, {"platform": "local"}]
)
def test_outputs_of_another_cloud_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        EnvironmentOutputs.model_validate({"regions": {"us-west-2": REGION | change}})
