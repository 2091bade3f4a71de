"""ScaledObjects fit KEDA's definition, and the formula decides like the policy, in KEDA's expression language."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from novacron_infra.plan.scaling import GroupState, decide_replicas
from novacron_infra.workloads.custom_resources import to_properties
from novacron_infra.workloads.scaled_objects import (
    SCALED_OBJECT,
    ScaledGroup,
    Workload,
    describe_scaled_object,
    write_formula,
    write_queries,
)

from tests.definitions import check_object
from tests.unit.plan.serving import serve
from tests.unit.plan.test_scaling import POLICY, QUIET
from tests.unit.workloads.regions import declare_region

EXPR = "github.com/expr-lang/expr v1.17.8"
"""The version that KEDA 2.21 has."""
GROUP = ScaledGroup(
    name="llm-workers",
    namespace="novacron-workers",
    workload=Workload.LEADER_WORKER_SET,
    replicas=8,
    policy=POLICY,
    prometheus_url="http://prometheus:9090",
)
SPEC: dict[str, Any] = to_properties(describe_scaled_object(GROUP))
EVALUATOR = """
package main

import (
	"encoding/json"
	"os"

	"github.com/expr-lang/expr"
)

func main() {
	var input struct {
		Formula string
		Cases   []map[string]float64
	}
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		panic(err)
	}
	program, err := expr.Compile(input.Formula, expr.Env(input.Cases[0]))
	if err != nil {
		panic(err)
	}
	results := []float64{}
	for _, item := range input.Cases {
		result, err := expr.Run(program, item)
		if err != nil {
			panic(err)
		}
		results = append(results, result.(float64)) // KEDA refuses other types too
	}
	json.NewEncoder(os.Stdout).Encode(results)
}
"""


@pytest.mark.go
def test_it_fits_the_definition() -> None:
    item = {
        "apiVersion": SCALED_OBJECT.api_version,
        "kind": SCALED_OBJECT.kind,
        "metadata": {"name": GROUP.name, "namespace": GROUP.namespace},
        "spec": SPEC,
    }
    check_object(item)


def test_it_scales_the_workload_within_its_bounds() -> None:
    assert SPEC["scaleTargetRef"] == {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "name": "llm-workers",
    }
    assert (SPEC["minReplicaCount"], SPEC["maxReplicaCount"]) == (2, 32)
    behavior = SPEC["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"] == {
        "stabilizationWindowSeconds": 900,
        "policies": [{"type": "Pods", "value": 2, "periodSeconds": 300}],
    }
    # An emergency does not wait: the 300 s of `scale_up` are in the query.
    assert behavior["scaleUp"] == {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 8, "periodSeconds": 60}],
    }
    assert "[300s:15s]" in write_queries(GROUP)["sustained"]


def test_a_missing_metric_is_a_failure_and_keeps_the_replicas() -> None:
    assert SPEC["fallback"] == {"failureThreshold": 3, "replicas": 8, "behavior": "currentReplicasIfHigher"}
    for trigger in SPEC["triggers"]:
        if trigger["type"] == "prometheus":
            assert trigger["metadata"]["ignoreNullValues"] == "false"


def test_every_trigger_is_a_variable_of_the_formula() -> None:
    names = {trigger["name"] for trigger in SPEC["triggers"]}
    words = set(re.findall(r"[a-z_]+", write_formula(POLICY)))
    assert names <= words


def test_schedules_are_triggers_with_their_times() -> None:
    hours, weekend = (item for item in SPEC["triggers"] if item["type"] == "cron")
    assert hours["name"] == "at_working_hours"
    assert hours["metadata"] == {
        "timezone": "UTC",
        "start": "0 9 * * 1,2,3,4,5",
        "end": "0 17 * * 1,2,3,4,5",
        "desiredReplicas": "7",
    }
    assert weekend["metadata"]["start"] == "0 0 * * 0,6"
    assert weekend["metadata"]["end"] == "59 23 * * 0,6"


def test_queries_select_the_pods_of_the_group_alone() -> None:
    pattern = re.search('pod=~"([^"]+)"', write_queries(GROUP)["load"])
    assert pattern is not None
    names = ("llm-workers-0", "llm-workers-11-1", "llm-workers-quality-0", "llm-workers")
    assert [bool(re.fullmatch(pattern.group(1), name)) for name in names] == [True, True, False, False]


WORKER = '{namespace="novacron-workers",pod="llm-workers-%s"}'
COORDINATOR = '{namespace="novacron-llm",pod="llm-coordinator-5d9f-x7"}'
OWNER = '{namespace="novacron-workers",statefulset="llm-workers"}'
SERIES = {
    "trtllm_num_requests_running" + WORKER % "0": "64",
    "trtllm_num_requests_running" + WORKER % "1": "64",
    "trtllm_num_requests_waiting" + WORKER % "0": "0",
    "trtllm_num_requests_waiting" + WORKER % "1": "16",
    "trtllm_num_requests_waiting" + COORDINATOR: "16",
    "trtllm_kv_cache_utilization" + WORKER % "0": "0.425",
    "trtllm_kv_cache_utilization" + WORKER % "1": "0.85",
    "trtllm_num_requests_running" + WORKER % "quality-0": "1000",
    "kube_statefulset_replicas" + OWNER: "3",
    "kube_statefulset_status_replicas_ready" + OWNER: "2",
    'novacron_quality_score{pod="llm-workers-0"}': "0.98",
}


def evaluate(series: dict[str, str], expected: dict[str, float | None], folder: Path) -> None:
    """Check the value of each query after ten minutes; None: it has none."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH; `apt-get install prometheus` installs it")
    queries = write_queries(GROUP)
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": f"{value}x60"} for name, value in series.items()],
        "promql_expr_test": [
            {
                "expr": queries[name],
                "eval_time": "10m",
                "exp_samples": [] if value is None else [{"labels": "{}", "value": value}],
            }
            for name, value in expected.items()
        ],
    }
    file = folder / "queries.yaml"
    file.write_text(json.dumps({"tests": [test]}))
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_queries_measure_the_load_in_replicas(tmp_path: Path) -> None:
    # 128 run and 32 wait: 2.5 replicas. The caches are worth 1.5.
    values = {"load": 2.5, "sustained": 2.5, "replicas": 3, "starting": 1, "earlier": 3, "quality": 0.98}
    evaluate(SERIES, values, tmp_path)


def test_a_full_cache_counts_as_load(tmp_path: Path) -> None:
    full = {name: "4" if name.startswith("trtllm_num") else value for name, value in SERIES.items()}
    evaluate(full, {"load": 1.5}, tmp_path)


@pytest.mark.parametrize(
    "missing", ["trtllm_num_requests_running", "trtllm_kv_cache_utilization", "kube_statefulset_replicas"]
)
def test_a_query_without_its_metric_has_no_value(missing: str, tmp_path: Path) -> None:
    rest = {name: value for name, value in SERIES.items() if not name.startswith(missing)}
    variable = "replicas" if missing.startswith("kube") else "load"
    evaluate(rest, {variable: None}, tmp_path)


def test_a_quality_that_was_never_measured_stops_nothing(tmp_path: Path) -> None:
    rest = {name: value for name, value in SERIES.items() if not name.startswith("novacron_quality")}
    evaluate(rest, {"quality": 1}, tmp_path)


def variables(state: GroupState, outside: float = 0) -> dict[str, float]:
    """Return the numbers that the triggers give for a state. `outside`: what a schedule gives outside of its times."""
    scheduled = {
        f"at_{item.name}": item.minimum_replicas + 1.0 if item.name in state.schedules else outside
        for item in POLICY.schedules
    }
    return {
        "load": state.load,
        "sustained": state.sustained_load,
        "replicas": state.replicas,
        "starting": state.starting,
        "earlier": state.earlier_replicas,
        "quality": state.quality_fraction,
        **scheduled,
    }


def random_states(count: int) -> list[GroupState]:
    chance = random.Random(1)  # noqa: S311 - repeatable cases
    found = [QUIET]
    for _ in range(count):
        replicas = chance.randint(2, 32)
        load = round(chance.uniform(0, 2.2) * replicas, 3)
        found.append(
            GroupState(
                load=load,
                sustained_load=round(chance.uniform(0.3, 1) * load, 3),
                replicas=replicas,
                starting=chance.randint(0, replicas),
                earlier_replicas=chance.randint(1, replicas),
                quality_fraction=chance.choice((0.9, 0.97, 1.0)),
                schedules=frozenset(item.name for item in POLICY.schedules if chance.random() < 0.3),
            )
        )
    return found


@pytest.mark.go
def test_the_formula_decides_like_the_policy(tmp_path: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not on PATH; it builds KEDA's expression language")
    (tmp_path / "main.go").write_text(EVALUATOR)
    (tmp_path / "go.mod").write_text(f"module evaluator\n\ngo 1.22\n\nrequire {EXPR}\n")
    tidy = subprocess.run([go, "mod", "tidy"], cwd=tmp_path, capture_output=True, text=True, check=False)
    if tidy.returncode:
        pytest.skip(f"{EXPR} cannot be downloaded: {tidy.stderr.strip()}")
    states = random_states(400)
    cases = json.dumps(
        {"Formula": write_formula(POLICY), "Cases": [variables(state, index % 2) for index, state in enumerate(states)]}
    )
    done = subprocess.run(
        [go, "run", "."], cwd=tmp_path, input=cases, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for state, value in zip(states, json.loads(done.stdout), strict=True):
        # KEDA passes thousandths on, and the autoscaler rounds up and keeps the bounds.
        asked = -(-int(value * 1000) // 1000)
        assert min(max(asked, POLICY.minimum_replicas), POLICY.maximum_replicas) == decide_replicas(POLICY, state), (
            state
        )


# -- the serving stack -------------------------------------------------------------------------------------------------


@pytest.mark.go
def test_the_groups_of_prod_that_always_have_replicas_are_scaled() -> None:
    serving = serve()
    graph = declare_region(serving, prometheus_url="http://monitoring-prometheus.monitoring.svc:9090").graph
    groups = serving.workers
    scaled = {item.inputs["metadata"]["name"]: item for item in graph.of("kubernetes:keda.sh/v1alpha1:ScaledObject")}
    assert set(scaled) == {group.name for group in groups if group.minimum_replicas}
    workloads = {
        item.inputs["metadata"]["name"]: item
        for item in graph.resources
        if item.type.endswith((":StatefulSet", ":LeaderWorkerSet"))
    }
    for name, item in scaled.items():
        check_object(item.inputs)
        target = item.inputs["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) == (workloads[name].inputs["kind"], name)
        assert workloads[name].ignore_changes == ("spec.replicas",)
        (group,) = [group for group in groups if group.name == name]
        assert item.inputs["spec"]["minReplicaCount"] == group.minimum_replicas
        assert item.inputs["spec"]["maxReplicaCount"] == group.maximum_replicas
    for name in set(workloads) - set(scaled):
        assert workloads[name].ignore_changes == ()


def test_without_prometheus_the_number_of_replicas_stays() -> None:
    graph = declare_region(serve()).graph
    assert graph.of("kubernetes:keda.sh/v1alpha1:ScaledObject") == []
    assert not [item.name for item in graph.resources if item.ignore_changes]
