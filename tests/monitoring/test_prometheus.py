"""A real Prometheus reads a real coordinator and two workers: every expression of rules and dashboards returns data."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra.workloads.monitoring.dashboards import read_dashboards
from novacron_infra.workloads.monitoring.rule_groups import build_rules
from novacron_infra.workloads.monitoring.rules import AlertingRule
from novacron_serving.quality.__main__ import run as measure_quality

from tests.polling import free_port, wait_until
from tests.serving.stack import HTTP, Stack, answers, running
from tests.tiny_model import MODEL, TINY

from .promtool import EVERYTHING, WITHOUT_TARGETS, find_program, write_rules
from .stand_ins import StandIn

pytestmark = pytest.mark.xdist_group("prometheus")
KEY = "sk-monitored"
BUSY_CLIENTS = 12
LIMIT_S = 60.0


class MonitoredStack(Stack):
    """A stack with a response cache and a database, whose model has a quality measurement."""

    def coordinator_config(self) -> dict[str, Any]:
        key = {"name": "monitored", "sha256": hashlib.sha256(KEY.encode()).hexdigest(), "cache": "own"}
        return super().coordinator_config() | {
            "worker_queue": 0,  # so that requests wait
            "queue_timeout_s": 0.1,  # so that some fail
            "cache": {},
            "api_keys": [key],
            "database_url": f"sqlite:///{self.folder}/coordinator.db",
        }

    def worker_config(self, worker_id: str, port: int) -> dict[str, Any]:
        config = super().worker_config(worker_id, port)
        engine = config["engine"] | {"max_concurrent_requests": 1}
        return config | {"model": {"id": MODEL, "path": str(self.folder / "model")}, "engine": engine}

    def ask(self, prompt: str, **options: Any) -> int:
        body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "max_tokens": 8} | options
        headers = {"authorization": f"Bearer {KEY}"}
        return HTTP.post(f"{self.url}/v1/chat/completions", json=body, headers=headers).status_code


@dataclass
class Prometheus:
    """Prometheus as a process."""

    url: str

    def query(self, expr: str) -> list[dict[str, Any]]:
        answer = HTTP.get(f"{self.url}/api/v1/query", params={"query": expr}).json()
        assert answer["status"] == "success", f"{expr}: {answer}"
        return answer["data"]["result"]

    def has_data(self, expr: str) -> bool:
        """Return whether an expression has a series with a number."""
        return any(not math.isnan(float(series["value"][1])) for series in self.query(expr))


@contextmanager
def prometheus(folder: Path, stack: MonitoredStack, stand_in: StandIn) -> Iterator[Prometheus]:
    """Start Prometheus. It gives the series the labels that the monitors of a cluster give them."""
    program, port = find_program("prometheus"), free_port()
    pods = [
        ("llm-coordinator", "novacron-llm", "llm-coordinator-a", f"127.0.0.1:{stack.http_port}"),
        *(
            ("llm-workers", "novacron-workers", worker, f"127.0.0.1:{worker_port}")
            for worker, worker_port in stack.worker_ports.items()
        ),
    ]
    jobs = [
        {
            "job_name": pod,
            "static_configs": [{"targets": [address], "labels": {"job": job, "namespace": namespace, "pod": pod}}],
        }
        for job, namespace, pod, address in pods
    ]
    jobs.append({"job_name": "stand-in", "honor_labels": True, "static_configs": [{"targets": [stand_in.address]}]})
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(write_rules(folder, EVERYTHING))],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        made = Prometheus(f"http://127.0.0.1:{port}")
        wait_until(lambda: answers(f"{made.url}/-/ready"), "Prometheus is ready")
        yield made
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def load(stack: MonitoredStack) -> Iterator[None]:
    """Send requests of all kinds until the end: some of them are streams, some can be cached, and some have to wait."""
    ended = threading.Event()

    def send(client: int) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            if client % 2:
                stack.ask(f"{client} {number}", stream=True)
            else:
                stack.ask(f"Hello {client}", temperature=0)

    with ThreadPoolExecutor(BUSY_CLIENTS) as clients:
        for client in range(BUSY_CLIENTS):
            clients.submit(send, client)
        try:
            yield
        finally:
            ended.set()


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    find_program("prometheus")
    folder = tmp_path_factory.mktemp("monitored")
    shutil.copytree(TINY, folder / "model")
    measure_quality([f"--model={folder / 'model'}", "--quantization=none"])
    stack, stand_in = MonitoredStack(folder), StandIn()
    with running(stack, "llm-workers-0", "llm-workers-1"), load(stack), prometheus(folder, stack, stand_in) as made:
        wait_until(lambda: made.has_data("rate(novacron_requests_total[5s])"), "requests are counted")
        yield made
    stand_in.close()


def list_panels() -> dict[str, str]:
    """Return the expressions of all dashboards, with a window in place of Grafana's variable."""
    return {
        f"{name}: {panel['title']}, {target['refId']}": target["expr"].replace("$__rate_interval", "10s")
        for name, content in read_dashboards().items()
        for panel in json.loads(content)["panels"]
        for target in panel.get("targets", ())
    }


def list_rules() -> dict[str, str]:
    """Return the expressions of all rules, so changed that those of alerts return data although nothing is wrong."""
    found: dict[str, str] = {}
    for settings in (WITHOUT_TARGETS, EVERYTHING):  # of a rule that both have, the one with all namespaces counts
        for group in build_rules(settings).groups:
            for rule in group.rules:
                if isinstance(rule, AlertingRule):
                    found[f"{rule.alert} {' '.join(rule.labels.values())}"] = without_condition(rule.expr)
                else:
                    found[f"{rule.record} {' '.join((rule.labels or {}).values())}"] = rule.expr
    return found


def without_condition(expr: str) -> str:
    """Return an expression that is 0 or 1 where the alert's is empty or not."""
    if found := re.fullmatch(r"absent\((.*) == 1\)", expr):
        return found[1]
    return re.sub(r" (>|<|==) ", r" \1 bool ", expr.replace(" offset 1d", ""))


@pytest.mark.parametrize("name", list_panels())
def test_panel_has_data(monitored: Prometheus, name: str) -> None:
    expr = list_panels()[name]
    wait_until(lambda: monitored.has_data(expr), f"{name} has data: {expr}", LIMIT_S)


@pytest.mark.parametrize("name", list_rules())
def test_rule_has_data(monitored: Prometheus, name: str) -> None:
    expr = list_rules()[name]
    wait_until(lambda: monitored.has_data(expr), f"{name} has data: {expr}", LIMIT_S)


def test_prometheus_evaluates_all_rules(monitored: Prometheus) -> None:
    groups = HTTP.get(f"{monitored.url}/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == sum(len(group.rules) for group in build_rules(EVERYTHING).groups)
    wait_until(
        lambda: all(
            rule["health"] == "ok"
            for group in HTTP.get(f"{monitored.url}/api/v1/rules").json()["data"]["groups"]
            for rule in group["rules"]
        ),
        "all rules were evaluated without an error",
        LIMIT_S,
    )
