"""The report of a rehearsal: text, JSON and web page have the figures of the plan and of the run."""

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
from novacron_ops.rehearsal import PeakMemory, Rehearsal, Report, render_page, report_lines, report_values
from novacron_ops.rehearsal.placement import GLOBAL, count_by_region
from novacron_ops.rehearsal.timeouts import find_timeouts
from novacron_rehearsal import PolicyPackReport, PolicyPackState, PolicyViolated
from novacron_rehearsal import urn as urns
from novacron_rehearsal.state.resource import CustomTimeouts, ResourceState

from tests.bench.rehearse import find_count
from tests.unit.ops.schemas import check_output

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


def rehearsed(
    resources: list[ResourceState], violations: list[PolicyViolated] | None = None, packs: int = 1
) -> Rehearsal:
    return Rehearsal(
        succeeded=not violations,
        errors="a \x1b[1m<policy> failed" if violations else "",
        by_region=count_by_region(resources),
        timeouts=find_timeouts(resources),
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
    regions = ("us-west-2", "us-east-1", "eu-north-1", "ap-northeast-1")
    resources = [item for region in regions for item in one_region(region)]
    resources.append(state("pulumi-python:dynamic:Resource", "secret"))
    return Report("prod", rehearsed(resources), planned("prod"))


def test_the_warnings_of_the_plan_are_in_every_form(prod: Report) -> None:
    slow = replace(planned("prod"), warnings=("loading takes long",))
    output = replace(prod, plan=slow)
    at = report_lines(output).index("Warnings")
    assert report_lines(output)[at + 1] == "  loading takes long"
    assert "loading takes long" in render_page(output)
    assert report_values(output)["plan"]["warnings"] == ["loading takes long"]
    assert "Warnings" not in report_lines(prod)


def parsed(html: str) -> ET.Element:
    return ET.fromstring(html)  # noqa: S314 - it is our own


def tables(html: str) -> dict[str, list[list[str]]]:
    """The rows of each table, headings first, by its accessible name."""
    root = parsed(html)
    return {
        box.attrib["aria-label"]: [[cell.text or "" for cell in row] for row in box.iter(f"{XHTML}tr")]
        for box in root.iter(f"{XHTML}div")
        if "aria-label" in box.attrib
    }


def test_the_web_page_has_the_figures_of_the_plan_and_of_the_run(prod: Report) -> None:
    plan = prod.plan
    assert plan is not None
    found = tables(render_page(prod))
    head, *rows = found["Resources by region"]
    by_region = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert [*by_region] == [*(region.name for region in plan.regions), GLOBAL]
    for region in plan.regions:
        row = by_region[region.name]
        assert row["GPUs"] == f"{region.gpus} × {plan.gpu.name}"
        assert row["USD/h"] == f"{plan.cost.find_region(region.name).usd_per_hour:,.2f}"
        assert row["traffic"] == f"{region.traffic_fraction:.0%}"
        assert row["machines"].count("×") == len(region.machines)
        assert row["simulated resources"] == "2"
    assert by_region[GLOBAL]["simulated resources"] == "1"
    assert [row[0] for row in found["Region failure"][1:]] == [failure.region for failure in plan.region_failures]
    assert [row[1] for row in found["Region failure"][1:]] == ["40%", "30%", "20%", "10%"]
    assert [row[:3] for row in found["Slow to create"][1:]] == [[NODES, "4", "60 min"], [CLUSTER, "4", "30 min"]]
    tiles = dict(zip(*(texts(render_page(prod), tag) for tag in ("dt", "dd")), strict=True))
    assert tiles["USD per hour, list price"] == f"{plan.cost.usd_per_hour:,.2f}" == "985.61"
    assert tiles["RTO: until clients have left a failed region"] == "168 s"
    assert tiles["GPUs: 128 × H100-80GB"] == "128"
    assert tiles["simulated resources"] == "9"
    assert tiles["policy violations"] == "0"


def texts(html: str, tag: str) -> list[str]:
    return [item.text or "" for item in parsed(html).iter(f"{XHTML}{tag}")]


def test_the_topology_shows_gpus_and_price_of_every_region_and_has_a_text_alternative(prod: Report) -> None:
    plan = prod.plan
    assert plan is not None
    pictures = list(parsed(render_page(prod)).iter(f"{SVG}svg"))
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
            assert f"{plan.cost.find_region(region.name).usd_per_hour:,.2f} USD per hour, list price" in shown
            assert f"{region.name} with {region.traffic_fraction:.0%} of the traffic" in named[desc]
        arrows = [item for item in picture.iter(f"{SVG}path") if "marker-end" in item.attrib]
        assert len(arrows) == len(plan.regions)


def test_the_web_page_has_no_scripts_and_loads_nothing(prod: Report) -> None:
    class Links(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [tag] if tag in {"script", "link", "img", "iframe"} else []
            self.found += [name for name, _ in attrs if name in {"src", "href", "style"} or name.startswith("on")]

    html, links = render_page(prod), Links()
    links.feed(html)
    assert links.found == []
    assert "url(http" not in html
    assert "@import" not in html


def test_text_and_json_have_the_same_figures(prod: Report) -> None:
    output = json.loads(json.dumps(report_values(prod)))
    check_output("rehearse", output)
    assert output["simulated"] is True
    assert output["resources"] == 9
    assert output["regions"]["us-east-1"] == {"aws:eks": 2}
    assert output["plan"]["usd_per_hour"] == 985.61
    assert output["slow_to_create"]["longest_chain_limit_min"] == 90
    assert output["peak_memory_mib"] == {"own_process": 183, "largest_child": 181}
    text = "\n".join(report_lines(prod))
    assert "128 × H100-80GB, 985.61 USD/h = 719,496 USD/month at list price; clients leave a failed region" in text
    assert "longest chain of dependencies: at most 90 min: ap-northeast-1-cluster 30 → ap-northeast-1-nodes 60" in text
    assert "not measured" in text
    assert "us-west-2, us-east-1, eu-north-1, ap-northeast-1: 2 aws:eks" in text
    assert "took 17.3 s" in text


def test_with_one_region_the_report_says_that_no_region_takes_over() -> None:
    report = Report("dev", rehearsed(one_region("us-west-2")), planned("dev"))
    assert "us-west-2 is the only region: no region takes over when it fails" in "\n".join(report_lines(report))
    html = render_page(report)
    assert "Region failure" not in tables(html)
    assert "no region takes over when it fails" in html


def test_the_report_of_a_program_without_an_environment_has_no_plan() -> None:
    named = PolicyViolated("pack", "no-<b>", 'says "no" & <why>', "urn:pulumi:a::b::t::n", mandatory=True)
    advised = PolicyViolated("pack", "advice", "better not", "", mandatory=False)
    again = replace(named, urn="urn:pulumi:a::b::t::m")
    report = Report("theirs", rehearsed(one_region("eu-west-1"), [advised, named, named, again]), None)
    assert report_values(report)["plan"] is None
    text = "\n".join(report_lines(report))
    assert "the deployment failed after 2 cloud resources created" in text
    assert "USD" not in text
    assert "mandatory no-<b>: 2 resources, first t n: says" in text
    assert "advisory advice: the stack: better not" in text
    found = tables(render_page(report))
    assert found["Resources by region"][1:] == [["eu-west-1", "2", "2 aws:eks"]]
    assert found["Policy violations"][1] == ["no-<b>", "mandatory", "2", "t n", 'says "no" & <why>']
    assert texts(render_page(report), "pre") == ["a [1m<policy> failed"]
    nothing = Report("theirs", rehearsed([], packs=0), None)
    assert "the project has no policy pack" in "\n".join(report_lines(nothing))
    assert tables(render_page(nothing))["Resources by region"] == [["region", "simulated resources", "by service"]]


def test_timeouts_add_up_along_the_longest_chain_of_dependencies() -> None:
    cluster = state(CLUSTER, "cluster")
    group = ResourceState(urns.make("prod", "novacron", "", "a:b:Group", "group"), "a:b:Group", custom=False)
    group.dependencies = [cluster.urn]
    nodes = state(NODES, "nodes")
    nodes.parent = group.urn
    addon = state("aws:eks/addon:Addon", "addon", nodes)
    database = state("aws:rds/instance:Instance", "database")
    database.custom_timeouts = CustomTimeouts(create_s=5400)
    unknown = state("azure-native:storage:StorageAccount", "account", addon)
    timeouts = find_timeouts([cluster, group, nodes, addon, database, unknown])
    assert [link.name for link in timeouts.longest_chain.links] == ["cluster", "nodes", "addon"]
    assert timeouts.longest_chain.limit_min == 110
    assert timeouts.types[0].limit_min == 90
    assert timeouts.types[0].source == "the stack's own customTimeouts"
    assert timeouts.unknown_packages == ("azure-native",)


def test_a_resource_counts_in_the_region_of_its_provider_or_its_cluster() -> None:
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
        GLOBAL: Counter({"gcp:projects": 1, "gcp:dns": 1}),
    }


def test_every_stated_timeout_names_its_source() -> None:
    limits = yaml.safe_load((ROOT / "ops/novacron_ops/rehearsal/timeouts.yaml").read_text(encoding="utf-8"))["timeouts"]
    assert all(row["minutes"] > 0 and ("@" in row["source"] or "4.34" in row["source"]) for row in limits.values())


def test_a_policy_pack_that_did_not_check_the_stack_is_never_reported_as_no_violation() -> None:
    reason = "it could not be loaded. Its output:\nTraceback\n1\n2\n3\n4\nno module"
    failed = replace(rehearsed([]), policy_packs=(PolicyPackReport(ROOT / "policy", PolicyPackState.FAILED, reason),))
    report = Report("theirs", failed, None)
    lines = report_lines(report)
    text = "\n".join(lines)
    assert "no violation" not in text
    start = lines.index("Policies") + 1
    assert [line.strip() for line in lines[start : start + 7]] == [
        "policy pack 'policy' failed: it could not be loaded. Its output:",
        *"1234",
        "no module",
        "Whether the stack violates its policies is unknown",
    ]
    assert report_values(report)["policies"][0]["state"] == "failed"
    html = render_page(report)
    assert dict(zip(texts(html, "dt"), texts(html, "dd"), strict=True))["policy violations"] == "unknown"
    assert any("Whether the stack violates its policies is unknown" in text for text in texts(html, "p"))
    assert "No violation" not in html
    assert "no violation" not in html
    question = replace(
        failed, policy_packs=(PolicyPackReport(ROOT / "policy", PolicyPackState.FAILED, "did you mean exemptions?"),)
    )
    assert "did you mean exemptions? Whether the stack" in "\n".join(report_lines(Report("theirs", question, None)))
    checked = replace(failed, policy_packs=(PolicyPackReport(ROOT / "policy", PolicyPackState.CHECKED),))
    assert "no violations; 1 policy pack checked every resource" in "\n".join(
        report_lines(Report("theirs", checked, None))
    )


def test_violations_found_before_a_pack_failed_are_a_lower_bound() -> None:
    found = PolicyViolated("pack", "no-public-bucket", "is public", "urn:pulumi:a::b::t::n", mandatory=True)
    unfinished = PolicyPackReport(ROOT / "policy", PolicyPackState.UNFINISHED, "the run ended before")
    report = Report("theirs", replace(rehearsed([], [found]), policy_packs=(unfinished,)), None)
    html = render_page(report)
    assert dict(zip(texts(html, "dt"), texts(html, "dd"), strict=True))["policy violations"] == "1 or more"
    text = "\n".join(report_lines(report))
    assert "policy pack 'policy' unfinished: the run ended before. Whether" in text
    assert "mandatory no-public-bucket: t n: is public" in text


def test_several_violations_of_one_policy_by_one_resource_count_as_one_resource() -> None:
    found = PolicyViolated("pack", "encryption", "no key", "urn:pulumi:a::b::t::n", mandatory=False)
    report = Report("theirs", rehearsed([], [found, replace(found, message="no log key")]), None)
    assert "  advisory encryption: t n: no key" in report_lines(report)


def test_bench_rehearse_finds_the_number_of_resources_in_the_report() -> None:
    lines = report_lines(Report("theirs", rehearsed([state(CLUSTER, "a"), state(NODES, "b")]), None))
    assert find_count("\n".join(lines)) == 2
    with pytest.raises(RuntimeError, match="the report states no number of cloud resources"):
        find_count("Policies")


def test_the_report_names_real_providers_and_counts_dynamic_resources_that_did_not_run() -> None:
    ran = replace(rehearsed([]), started_plugins=frozenset({"random"}), simulated_dynamic=("urn:a", "urn:b"))
    report = Report("theirs", ran, None)
    assert report_lines(report)[:2] == [
        "theirs on simulated clouds: 0 cloud resources created. The real providers of random ran.",
        "2 dynamic resources simulated: the code of their providers did not run",
    ]
    assert "2 dynamic resources simulated" in render_page(report)
    assert report_values(report)["simulated"] is False
