"""Which versions a running server can go to."""

from __future__ import annotations

import pytest
from novacron_infra.upgrades import VersionRule, check_subnets, check_upgrade

KUBERNETES = VersionRule(path="dev.kubernetes_version", wanted="version", running="version", steps=1)
POSTGRES = VersionRule(path="dev.version", wanted="version", running="version")


@pytest.mark.parametrize(
    ("rule", "running", "wanted"),
    [
        (KUBERNETES, "1.33", "1.34"),
        (KUBERNETES, "1.33.5-gke.1080000", "1.33"),
        (KUBERNETES, "1.33.5-gke.1080000", "1.34"),
        (KUBERNETES, None, "1.34"),
        (KUBERNETES, "1.34", None),
        (POSTGRES, "15", "18"),
        (POSTGRES, "17.6", "17"),
        (POSTGRES, "POSTGRES_16", "POSTGRES_17"),
    ],
)
def test_a_server_is_upgraded(rule: VersionRule, running: str | None, wanted: str | None) -> None:
    assert check_upgrade(rule, running, wanted) is None


@pytest.mark.parametrize(
    ("rule", "running", "wanted", "message"),
    [
        (
            KUBERNETES,
            "1.31",
            "1.34",
            "dev.kubernetes_version = 1.34: 1.31 runs, and an update goes one minor version at a time. Use 1.32 first, "
            "and the next one when all regions run it",
        ),
        (
            KUBERNETES,
            "1.34",
            "1.33",
            "dev.kubernetes_version = 1.33: 1.34 runs, and servers do not go back. Use 1.34 or a later version",
        ),
        (
            KUBERNETES,
            "1.34.1-gke.2",
            "1.33",
            "dev.kubernetes_version = 1.33: 1.34.1 runs, and servers do not go back. Use 1.34 or a later version",
        ),
        (POSTGRES, "17.6", "16", "dev.version = 16: 17.6 runs, and servers do not go back. Use 17 or a later version"),
        (
            POSTGRES,
            "POSTGRES_17",
            "POSTGRES_16",
            "dev.version = POSTGRES_16: 17 runs, and servers do not go back. Use 17 or a later version",
        ),
    ],
)
def test_a_server_neither_goes_back_nor_skips_versions(
    rule: VersionRule, running: str, wanted: str, message: str
) -> None:
    assert str(check_upgrade(rule, running, wanted)) == message


@pytest.mark.parametrize(
    ("before", "wanted", "fix"),
    [
        (2, 3, "State the present zones as regions[].control_plane_zones: nodes in other zones work without it"),
        (3, 2, "Keep the zone in zones, and take its workers away with worker_capacity.zones"),
    ],
)
def test_a_control_plane_of_eks_keeps_its_zones(before: int, wanted: int, fix: str) -> None:
    found = check_subnets("dev", before, wanted)
    assert found is not None
    assert (found.value, found.fix) == (f"{wanted} zones", fix)
    assert f"the control plane has {before}, and EKS accepts no other zones" in found.rule


@pytest.mark.parametrize(("before", "wanted"), [(3, 3), (0, 3), (2, 0)])
def test_a_control_plane_takes_other_subnets_of_the_same_zones(before: int, wanted: int) -> None:
    assert check_subnets("dev", before, wanted) is None
