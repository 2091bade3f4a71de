"""Rules of the section `autoscaling`."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_infra.config import CloudEnvironment, load

from tests.unit.config.environments import PROD, change, find_problems

SERVING = {"add_ons": True, "serving": True}
PINNED = {"repository": "novacron/image", "tag": "1", "digest": f"sha256:{'0' * 64}"}
IMAGES = {"coordinator": PINNED, "worker": PINNED}
SCHEDULE = {"name": "night", "days": ["mon"], "start": "00:00", "end": "06:00", "utilization_fraction": 0.9}


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        (
            {"autoscaling.target_utilization_fraction": 0.9},
            "autoscaling.target_utilization_fraction",
            "between 0.4 and 0.8",
        ),
        (
            {"autoscaling.scale_down": {"utilization_fraction": 0.4, "for_s": 7200}},
            "autoscaling.scale_down.for_s",
            "3600",
        ),
        (
            {"autoscaling.emergency": {"utilization_fraction": 0.9}},
            "autoscaling.emergency.utilization_fraction",
            "more than 1",
        ),
        ({"autoscaling.schedules": [SCHEDULE, SCHEDULE]}, "autoscaling.schedules.1.name", "earlier schedule"),
        (
            {"autoscaling.schedules": [SCHEDULE | {"end": "00:00"}]},
            "autoscaling.schedules[night].end",
            "not after start",
        ),
        (
            {"autoscaling.schedules": [SCHEDULE | {"time_zone": "Mars"}]},
            "autoscaling.schedules[night].time_zone",
            "time zone",
        ),
        ({"autoscaling.schedules": [SCHEDULE | {"days": ["monday"]}]}, "autoscaling.schedules[night].days.0", "mon"),
        (
            {"autoscaling.schedules": [SCHEDULE | {"utilization_fraction": 0.5}]},
            "autoscaling.schedules[night].utilization_fraction",
            "above autoscaling.target_utilization_fraction",
        ),
        (
            {"autoscaling.schedules": [SCHEDULE | {"minimum_workers": 300}]},
            "autoscaling.schedules[night].minimum_workers",
            "above workers.maximum",
        ),
        (
            {"workers.capacity": {"kind": "spot", "fraction": 0.7}, "workers.minimum": 64},
            "workers.minimum",
            "only 38 of workers.maximum",
        ),
        (
            {"clusters": PROD["clusters"] | SERVING, "images": IMAGES, "add_ons": {"monitoring": "existing"}},
            "autoscaling.prometheus_url",
            "add_ons.monitoring is existing",
        ),
        ({"autoscaling.prometheus_url": "prometheus:9090"}, "autoscaling.prometheus_url", "starts with http"),
    ],
)
def test_a_broken_rule_is_reported_at_its_key(changes: dict[str, Any], path: str, rule: str) -> None:
    problems = find_problems(change(PROD, changes))
    assert set(problems) == {path}
    assert rule in f"{problems[path].rule} {problems[path].fix}"


def test_a_renamed_key_names_the_new_one() -> None:
    (found,) = find_problems(change(PROD, {"autoscaling.gpu_target_fraction": 0.85})).values()
    assert "autoscaling.kv_cache_full_fraction" in f"{found.rule} {found.fix}"


def test_a_prometheus_of_your_own_needs_its_address_only_for_keda() -> None:
    for more in (
        {"autoscaling.prometheus_url": "http://prometheus.observability.svc:9090"},
        {"add_ons": {"monitoring": "existing", "keda": "none"}},
    ):
        config = load(change(PROD, {"clusters.add_ons": True, "add_ons": {"monitoring": "existing"}, **more}))
        assert isinstance(config, CloudEnvironment)
