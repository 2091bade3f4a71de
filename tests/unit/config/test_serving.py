"""Rules for the serving stack in the clusters of a cloud environment."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_infra import ConfigurationError, load

from tests.unit.config.environments import change, read_stack

DIGEST = "sha256:" + "0" * 64
IMAGE = {"repository": "novacron/a", "tag": "1", "digest": DIGEST}
SERVING: dict[str, Any] = {
    "clusters.serving": True,
    "clusters.add_ons": True,
    "images": {"coordinator": IMAGE, "worker": IMAGE},
    "accounts": {"aws_account_id": "123456789012"},
}


def problems(changes: dict[str, Any]) -> dict[str, str]:
    """Return the problems of dev with the serving stack and changes, by field."""
    try:
        load(change(read_stack("dev"), SERVING | changes))
    except ConfigurationError as error:
        return {item.path.removeprefix("novacron:environment."): f"{item.rule}. {item.fix}" for item in error.problems}
    return {}


def test_serving_stack_needs_add_ons_and_the_account() -> None:
    assert problems({}) == {}
    found = problems({"clusters.add_ons": False, "images": {}, "accounts": {}})
    assert set(found) == {
        "clusters.add_ons",
        "accounts.aws_account_id",
    }
    assert found["clusters.add_ons"] == (
        "the serving stack needs the cluster add-ons. Set it to true, or clusters.serving to false"
    )


def test_workers_in_clusters_run_tensorrt_llm_only() -> None:
    assert problems({"model.engine": "pytorch"}) == {
        "model.engine": "clusters.serving is true, and workers in the clusters run TensorRT-LLM. "
        "Use tensorrt-llm, or set clusters.serving to false and run workers of your own"
    }
    assert problems({"model.engine": "pytorch", "clusters.serving": False}) == {}


@pytest.mark.parametrize(("port", "purpose"), [(8443, "the API with TLS"), (9464, "their metrics")])
def test_ports_that_coordinators_have_anyway_are_taken(port: int, purpose: str) -> None:
    for name in ("http_port", "grpc_port"):
        found = problems({f"coordinators.{name}": port})
        assert found == {f"coordinators.{name}": f"coordinators have {purpose} at this port. Use another port"}


def test_account_is_not_needed_for_images_of_another_registry() -> None:
    elsewhere = IMAGE | {"repository": "registry.example.com/a"}
    assert problems({"images": {"coordinator": elsewhere, "worker": elsewhere}, "accounts": {}}) == {}


@pytest.mark.parametrize(
    ("repository", "expected"),
    [("novacron/worker", True), ("worker", True), ("a.io/worker", False), ("localhost:5000/worker", False)],
)
def test_repository_without_a_registry_is_in_the_regions(repository: str, expected: bool) -> None:
    config: Any = load(change(read_stack("dev"), SERVING | {"images.worker": IMAGE | {"repository": repository}}))
    assert config.images.worker.in_region_registry is expected


def test_zone_outside_aws_serves_only_clusters_of_its_own_cloud() -> None:
    region = read_stack("dev")["regions"][0]
    other = {
        "name": "us-central1", "dns_label": "central", "weight": 1, "network": "10.1.0.0/16",
        "zones": ["us-central1-a"],
    }  # fmt: skip
    overrides = {"platform": "aws", "coordinators": "i4i.16xlarge", "workers": "p5.48xlarge", "nearest": "us-west1",
                 "admins": ["arn:aws:iam::123456789012:role/operators"], "bucket": "models"}  # fmt: skip
    found = problems(
        {"platform": "gcp", "regions": [other, region | {"overrides": overrides}], "traffic": {"domain": "api.a.com"}}
    )
    assert "the DNS zone is in gcp" in found["regions[us-west-2].overrides.platform"]


def test_add_ons_that_the_stack_needs_cannot_be_left_out() -> None:
    assert problems({"add_ons": {"cert_manager": "existing", "keda": "none"}}) == {}
    found = problems({"add_ons": {"external_secrets": "none", "load_balancer_controller": "none"}})
    assert set(found) == {"add_ons.external_secrets", "add_ons.load_balancer_controller"}
    assert found["add_ons.external_secrets"].startswith("the serving stack needs it on aws, for passwords.")
