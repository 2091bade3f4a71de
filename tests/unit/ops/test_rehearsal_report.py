"""What a rehearsal tells before anything is paid for: its figures are the plan's and the run's, in every form."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from novacron_infra.config import load
from novacron_infra.config.environment import CloudEnvironment
from novacron_infra.plan import EnvironmentPlan, plan_environment
from novacron_ops.rehearsing import PeakMemory, Rehearsal, Report, describe, find_waits, page, values
from novacron_ops.rehearsing.run import NOWHERE, count_by_region
from novacron_rehearsal import PolicyPackReport, PolicyPackState, PolicyViolated
from novacron_rehearsal import urn as urns
from novacron_rehearsal.resource import CustomTimeouts, ResourceState

ROOT = Path(__file__).parents[3]
XHTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
CLUSTER, NODES = "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup"


def planned(stack: str) -> EnvironmentPlan:
    description = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))
    config = load(description["config"]["novacron:environment"])
    assert isinstance(config, CloudEnvironment)
    return plan_environment(config)


def state(
    type_: str, name: str, *needs: ResourceState, provider: ResourceState | None = None, **inputs: str
) -> ResourceState:
    return ResourceState(
        urn=urns.make("prod", "novacron", "", type_, name),
        type=type_,
        custom=True,
        id="id",
        inputs=dict(inputs),
        provider=f"{provider.urn}::id" if provider else "",
        dependencies=[item.urn for item in needs],
    )


def rehearsal(
    resources: list[ResourceState], violations: list[PolicyViolated] | None = None, packs: int = 1
) -> Rehearsal:
    return Rehearsal(
        succeeded=not violations,
        errors="a \x1b[1m<policy> said no" if violations else "",
        by_region=count_by_region(resources),
        waits=find_waits(resources),
        policy_packs=tuple(PolicyPackReport(ROOT / "policy", PolicyPackState.CHECKED) for _ in range(packs)),
        violations=violations or [],
        duration_s=17.26,
        peak_memory=PeakMemory(183 * 2**20, 181 * 2**20),
    )


def one_region(region: str) -> list[ResourceState]:
    provider = state("pulumi:providers:aws", region, region=region)
    cluster = state(CLUSTER, f"{region}-cluster", provider=provider)
    return [provider, cluster, state(NODES, f"{region}-nodes", cluster, provider=provider)]


@pytest.fixture(scope="module")
def prod() -> Report:
    regions = ("us-west-2", "us-east-1", "eu-west-1", "ap-southeast-1")
    resources = [item for region in regions for item in one_region(region)]
    resources.append(state("pulumi-python:dynamic:Resource", "secret"))
    return Report("prod", rehearsal(resources), planned("prod"))


def test_what_files_as_model_store_mean_is_told_where_there_are_any(prod: Report) -> None:
    slow = replace(planned("prod"), store_warnings=("loading takes long",))
    told = replace(prod, plan=slow)
    at = describe(told).index("Model store")
    assert describe(told)[at + 1] == "  loading takes long"
    assert "loading takes long" in page(told)
    assert values(told)["plan"]["store_warnings"] == ["loading takes long"]
    assert "Model store" not in describe(prod)


def parsed(html: str) -> ET.Element:
    return ET.fromstring(html)  # noqa: S314 - it is our own


def tables(html: str) -> dict[str, list[list[str]]]:
    """The rows of each table, heads first, by the name that a screen reader says."""
    root = parsed(html)
    return {
        box.attrib["aria-label"]: [[cell.text or "" for cell in row] for row in box.iter(f"{XHTML}tr")]
        for box in root.iter(f"{XHTML}div")
        if "aria-label" in box.attrib
    }


def test_the_page_has_the_figures_of_the_plan_and_of_the_run(prod: Report) -> None:
    plan = prod.plan
    assert plan is not None
    found = tables(page(prod))
    head, *rows = found["Resources by region"]
    by_region = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert [*by_region] == [*(region.name for region in plan.regions), NOWHERE]
    for region in plan.regions:
        row = by_region[region.name]
        assert row["GPUs"] == f"{region.gpus} × {plan.gpu.name}"
        assert row["USD/h"] == f"{region.usd_per_hour:,.2f}"
        assert row["traffic"] == f"{region.traffic_fraction:.0%}"
        assert row["machines"].count("×") == len(region.machines)
        assert row["simulated resources"] == "2"
    assert by_region[NOWHERE]["simulated resources"] == "1"
    assert [row[0] for row in found["When a region dies"][1:]] == [loss.region for loss in plan.losses]
    assert [row[1] for row in found["When a region dies"][1:]] == ["40%", "30%", "20%", "10%"]
    assert [row[:3] for row in found["Slow to create"][1:]] == [[NODES, "4", "60 min"], [CLUSTER, "4", "30 min"]]
    tiles = dict(zip(*(texts(page(prod), tag) for tag in ("dt", "dd")), strict=True))
    assert tiles["USD an hour, list price"] == f"{plan.usd_per_hour:,.2f}" == "1,034.36"
    assert tiles["RTO: until clients have left a dead region"] == "168 s"
    assert tiles["GPUs: 128 × H100-80GB"] == "128"
    assert tiles["simulated resources"] == "9"
    assert tiles["policy violations"] == "0"


def texts(html: str, tag: str) -> list[str]:
    return [item.text or "" for item in parsed(html).iter(f"{XHTML}{tag}")]


def test_the_pictures_have_every_region_its_gpus_and_price_and_are_named(prod: Report) -> None:
    plan = prod.plan
    assert plan is not None
    pictures = list(parsed(page(prod)).iter(f"{SVG}svg"))
    assert len(pictures) == 2
    ids = [item.attrib["id"] for picture in pictures for item in picture.iter() if "id" in item.attrib]
    assert len(ids) == len(set(ids))
    for picture in pictures:
        title, desc = picture.attrib["aria-labelledby"].split()
        named = {item.attrib.get("id"): item.text or "" for item in picture}
        assert named[title] == "Topology of prod"
        shown = [item.text for item in picture.iter(f"{SVG}text")]
        assert shown[:2] == ["api.novacron.ai", "Route 53, TTL 60 s, RTO 168 s"]
        for region in plan.regions:
            assert region.name in shown
            assert f"{region.gpus} × {plan.gpu.name}" in shown
            assert f"{region.usd_per_hour:,.2f} USD an hour, list price" in shown
            assert f"{region.name} with {region.traffic_fraction:.0%} of the traffic" in named[desc]
        arrows = [item for item in picture.iter(f"{SVG}path") if "marker-end" in item.attrib]
        assert len(arrows) == len(plan.regions)


def test_the_page_asks_for_nothing_and_runs_nothing(prod: Report) -> None:
    class Links(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [tag] if tag in {"script", "link", "img", "iframe"} else []
            self.found += [name for name, _ in attrs if name in {"src", "href", "style"} or name.startswith("on")]

    html, links = page(prod), Links()
    links.feed(html)
    assert links.found == []
    assert "url(http" not in html
    assert "@import" not in html


def test_text_and_values_say_the_same(prod: Report) -> None:
    told = json.loads(json.dumps(values(prod)))
    assert told["simulated"] is True
    assert told["resources"] == 9
    assert told["regions"]["us-east-1"] == {"aws:eks": 2}
    assert told["plan"]["usd_per_hour"] == 1034.36
    assert told["slow_to_create"]["longest_chain_limit_min"] == 90
    assert told["peak_memory_mib"] == {"own_process": 183, "largest_child": 181}
    text = "\n".join(describe(prod))
    assert "128 × H100-80GB, 1,034.36 USD/h = 755,083 USD/month at list price, 168 s until" in text
    assert (
        "at most 90 min of such waits along the longest chain: ap-southeast-1-cluster 30 → ap-southeast-1-nodes 60"
        in text
    )
    assert "not measured times" in text
    assert "us-west-2, us-east-1, eu-west-1, ap-southeast-1: 2 aws:eks" in text
    assert "took 17.3 s" in text


def test_one_region_is_told_that_nothing_takes_over() -> None:
    report = Report("dev", rehearsal(one_region("us-west-2")), planned("dev"))
    assert "nothing takes over: us-west-2 is the only region" in "\n".join(describe(report))
    html = page(report)
    assert "When a region dies" not in tables(html)
    assert "nothing takes over when it dies" in html


def test_a_program_of_someone_else_is_told_of_without_a_plan() -> None:
    named = PolicyViolated("pack", "no-<b>", 'says "no" & <why>', "urn:pulumi:a::b::t::n", mandatory=True)
    advised = PolicyViolated("pack", "advice", "better not", "", mandatory=False)
    report = Report("theirs", rehearsal(one_region("eu-west-1"), [advised, named, named]), None)
    assert values(report)["plan"] is None
    text = "\n".join(describe(report))
    assert "it would not come up" in text
    assert "USD" not in text
    assert "mandatory no-<b>: 2 times, first t n" in text
    assert "advisory advice: 1 times, first the stack: better not" in text
    found = tables(page(report))
    assert found["Resources by region"][1:] == [["eu-west-1", "2", "2 aws:eks"]]
    assert found["Policy violations"][1] == ["no-<b>", "mandatory", "2", "t n", 'says "no" & <why>']
    assert texts(page(report), "pre") == ["a [1m<policy> said no"]
    nothing = Report("theirs", rehearsal([], packs=0), None)
    assert "the project has no policy pack" in "\n".join(describe(nothing))
    assert tables(page(nothing))["Resources by region"] == [["region", "simulated resources", "by service"]]


def test_waits_add_up_along_the_longest_chain_only() -> None:
    cluster = state(CLUSTER, "cluster")
    group = ResourceState(urns.make("prod", "novacron", "", "a:b:Group", "group"), "a:b:Group", custom=False)
    group.dependencies = [cluster.urn]
    nodes = state(NODES, "nodes")
    nodes.parent = group.urn
    addon = state("aws:eks/addon:Addon", "addon", nodes)
    database = state("aws:rds/instance:Instance", "database")
    database.custom_timeouts = CustomTimeouts(create_s=5400)
    unknown = state("azure-native:storage:StorageAccount", "account", addon)
    waits = find_waits([cluster, group, nodes, addon, database, unknown])
    assert [link.name for link in waits.longest_chain.links] == ["cluster", "nodes", "addon"]
    assert waits.longest_chain.limit_min == 110
    assert waits.types[0].limit_min == 90
    assert waits.types[0].source == "the stack's own customTimeouts"
    assert waits.without_limits == ("azure-native",)


def test_a_resource_is_where_its_provider_or_its_cluster_is() -> None:
    google = state("pulumi:providers:gcp", "google", project="p")
    cluster = state("gcp:container/cluster:Cluster", "cluster", provider=google, location="us-east4")
    api = state("pulumi:providers:kubernetes", "api", cluster)
    pod = state("kubernetes:apps/v1:Deployment", "app", provider=api)
    role = state("gcp:projects/iAMMember:IAMMember", "role", provider=google)
    group = state("azure-native:resources:ResourceGroup", "group", location="eastus")
    subnet = state("azure-native:network:Subnet", "subnet", group)
    record = state("gcp:dns/recordSet:RecordSet", "record", cluster, subnet, provider=google)
    assert count_by_region([google, cluster, api, pod, role, group, subnet, record]) == {
        "us-east4": Counter({"gcp:container": 1, "kubernetes:apps": 1}),
        "eastus": Counter({"azure-native:resources": 1, "azure-native:network": 1}),
        NOWHERE: Counter({"gcp:projects": 1, "gcp:dns": 1}),
    }


def test_every_limit_names_its_source() -> None:
    limits = yaml.safe_load((ROOT / "ops/novacron_ops/rehearsing/waits.yaml").read_text(encoding="utf-8"))["limits"]
    assert all(row["minutes"] > 0 and ("@" in row["source"] or "4.34" in row["source"]) for row in limits.values())


def test_a_policy_pack_that_did_not_check_the_stack_is_never_reported_as_no_violation() -> None:
    reason = "policy pack could not be loaded; it said:\nno module"
    failed = replace(rehearsal([]), policy_packs=(PolicyPackReport(ROOT / "policy", PolicyPackState.FAILED, reason),))
    report = Report("theirs", failed, None)
    text = "\n".join(describe(report))
    assert "no violation" not in text
    assert "policy pack policy failed: policy pack could not be loaded; it said:; whether the stack" in text
    assert values(report)["policies"][0]["state"] == "failed"
    checked = replace(failed, policy_packs=(PolicyPackReport(ROOT / "policy", PolicyPackState.CHECKED),))
    assert "no violation of 1 policy pack" in "\n".join(describe(Report("theirs", checked, None)))
