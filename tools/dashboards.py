"""Builds the Grafana dashboards: `python -m tools.dashboards` writes their JSON into novacron-infra.

Users of novacron-infra get the JSON and need no library for dashboards.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from novacron_infra.workloads.monitoring import metrics as m
from novacron_infra.workloads.monitoring.dashboards import FOLDER
from novacron_infra.workloads.monitoring.objectives import name_recording
from novacron_infra.workloads.monitoring.serving_alerts import HIT_RATIO

_DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_WINDOW = "$__rate_interval"
_WIDTH, _HEIGHT = 8, 8
"""Size of a panel. A dashboard is 24 wide."""
_SECONDS, _SHARE, _PERCENT, _COUNT = "s", "percentunit", "percent", "short"


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """An expression, and the legend of its series."""

    expr: str
    legend: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """A panel with a line for each series."""

    title: str
    unit: str
    queries: Sequence[Query]
    description: str = ""


def build_serving() -> Dashboard:
    """Return the dashboard of the serving stack."""
    rows = {"Objectives": _list_objectives(), "Requests": _list_requests(), "Workers": _list_workers()}
    return _build("NovaCron serving", "novacron-serving", rows)


def build_gpus() -> Dashboard:
    """Return the dashboard of the GPUs and their nodes."""
    by_gpu = "{{Hostname}} GPU {{gpu}}"
    allocatable = 'kube_node_status_allocatable{resource="nvidia_com_gpu"}'
    graphs = [
        Graph(title="GPU utilisation", unit=_PERCENT, queries=[Query(expr="DCGM_FI_DEV_GPU_UTIL", legend=by_gpu)]),
        Graph(
            title="GPU memory in use",
            unit=_SHARE,
            queries=[
                Query(expr="DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)", legend=by_gpu),
            ],
        ),
        Graph(title="Temperature", unit="celsius", queries=[Query(expr="DCGM_FI_DEV_GPU_TEMP", legend=by_gpu)]),
        Graph(title="Power", unit="watt", queries=[Query(expr="DCGM_FI_DEV_POWER_USAGE", legend=by_gpu)]),
        Graph(
            title="XID errors",
            unit=_COUNT,
            description="Errors within the exporter's window, five minutes. XIDs of applications are shown as well.",
            queries=[
                Query(
                    expr="sum by (Hostname, gpu, xid) (DCGM_EXP_XID_ERRORS_COUNT)", legend=f"{by_gpu} XID {{{{xid}}}}"
                )
            ],
        ),
        Graph(title="GPUs that Kubernetes can use", unit=_COUNT, queries=[Query(expr=allocatable, legend="{{node}}")]),
    ]
    return _build("NovaCron GPUs", "novacron-gpus", {"GPUs": graphs})


DASHBOARDS: dict[str, Callable[[], Dashboard]] = {"serving": build_serving, "gpus": build_gpus}
"""The dashboards by the names of their files."""


def write_dashboard(build: Callable[[], Dashboard]) -> str:
    """Return the JSON of a dashboard."""
    return JSONEncoder(sort_keys=True, indent=1).encode(build().build()) + "\n"


def _list_objectives() -> list[Graph]:
    burns = [Query(expr=name_recording(window), legend=f"{{{{slo}}}} over {window}") for window in ("1h", "6h", "3d")]
    note = "1 uses up the error budget exactly by the end of the objective's period. Alerts fire at 14.4, 6, 3 and 1."
    return [Graph(title="Burn rate of the error budgets", unit=_COUNT, description=note, queries=burns)]


def _list_requests() -> list[Graph]:
    at = m.AT_COORDINATORS
    hits = f'sum by (level) (rate({m.CACHE_LOOKUPS}{{{at},result="hit"}}[{_WINDOW}]))'
    lookups = f"sum by (level) (rate({m.CACHE_LOOKUPS}{{{at}}}[{_WINDOW}]))"
    return [
        Graph(
            title="Requests",
            unit="reqps",
            queries=[Query(expr=f"sum by (status) (rate({m.REQUESTS}{{{at}}}[{_WINDOW}]))", legend="{{status}}")],
        ),
        Graph(title="Request latency", unit=_SECONDS, queries=_list_percentiles(m.REQUEST_DURATION, at)),
        Graph(
            title="Time to first token",
            unit=_SECONDS,
            description="Of streamed responses, with queueing and retries.",
            queries=_list_percentiles(m.TIME_TO_FIRST_TOKEN, at),
        ),
        Graph(
            title="Requests running and waiting",
            unit=_COUNT,
            queries=[
                Query(expr=f"sum({m.REQUESTS_RUNNING}{{{at}}})", legend="running"),
                Query(expr=f"sum({m.REQUESTS_WAITING}{{{at}}})", legend="waiting"),
            ],
        ),
        Graph(title="Time in the queue", unit=_SECONDS, queries=_list_percentiles(m.QUEUE_TIME, at)),
        Graph(title="Retries", unit="reqps", queries=[Query(expr=m.rate(m.RETRIES, at, _WINDOW), legend="retries")]),
        Graph(
            title="Response cache hit rate",
            unit=_SHARE,
            description="Share of the lookups of each level that find a response, and of all cacheable requests.",
            queries=[
                Query(expr=f"{hits} / {lookups}", legend="{{level}}"),
                Query(expr=HIT_RATIO, legend="all levels, last hour"),
            ],
        ),
    ]


def _list_workers() -> list[Graph]:
    at, at_coordinators = m.AT_WORKERS, m.AT_COORDINATORS
    return [
        Graph(
            title="Tokens",
            unit="tokens/s",
            queries=[
                Query(
                    expr=f"sum by (gen_ai_token_type) (rate({m.TOKENS}_sum{{{at}}}[{_WINDOW}]))",
                    legend="{{gen_ai_token_type}}",
                )
            ],
        ),
        Graph(title="Inter-token latency", unit=_SECONDS, queries=_list_percentiles(m.TIME_PER_OUTPUT_TOKEN, at)),
        Graph(
            title="Time to first token in the workers",
            unit=_SECONDS,
            queries=_list_percentiles(m.TIME_TO_FIRST_TOKEN, at),
        ),
        Graph(
            title="Key-value cache in use",
            unit=_SHARE,
            queries=[Query(expr=f"{m.KV_CACHE_UTILIZATION}{{{at}}}", legend="{{pod}}")],
        ),
        Graph(
            title="Workers",
            unit=_COUNT,
            queries=[
                Query(expr=f"min({m.WORKERS_ACTIVE}{{{at_coordinators}}})", legend="active"),
                Query(expr=f"max({m.WORKERS_MINIMUM}{{{at_coordinators}}})", legend="minimum"),
                Query(expr=f"sum({m.MODEL_LOADED}{{{at}}})", legend="with a loaded model"),
            ],
        ),
        Graph(
            title="Quality",
            unit=_SHARE,
            description="Agreement with FP32, measured by `novacron quality`. Empty without a measurement.",
            queries=[
                Query(
                    expr=f"min by (model, quantization) ({m.QUALITY_SCORE}{{{at}}})",
                    legend="{{model}} {{quantization}}",
                )
            ],
        ),
        Graph(
            title="Compression ratio",
            unit=_COUNT,
            description="Bytes of FP32 weights per byte of the served ones. Empty without a measurement.",
            queries=[
                Query(
                    expr=f"max by (model, quantization) ({m.COMPRESSION_RATIO}{{{at}}})",
                    legend="{{model}} {{quantization}}",
                )
            ],
        ),
    ]


def _list_percentiles(metric: str, labels: str) -> list[Query]:
    buckets = f"sum by (le) (rate({metric}_bucket{{{labels}}}[{_WINDOW}]))"
    return [
        Query(expr=f"histogram_quantile({share:g}, {buckets})", legend=f"P{share * 100:g}") for share in (0.5, 0.95)
    ]


def _build(title: str, uid: str, rows: dict[str, list[Graph]]) -> Dashboard:
    dashboard = (
        Dashboard(title)
        .uid(uid)
        .tags(["novacron"])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .editable()
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for row, graphs in rows.items():
        dashboard = dashboard.with_row(Row(row))
        for graph in graphs:
            dashboard = dashboard.with_panel(_build_panel(graph))
    return dashboard


def _build_panel(graph: Graph) -> TimeSeries:
    panel = TimeSeries().title(graph.title).unit(graph.unit).datasource(_DATASOURCE).span(_WIDTH).height(_HEIGHT)
    panel = panel.legend(VizLegendOptions().show_legend(True))
    if graph.description:
        panel = panel.description(graph.description)
    for letter, query in zip(ascii_uppercase, graph.queries, strict=False):
        panel = panel.with_target(Dataquery().ref_id(letter).expr(query.expr).legend_format(query.legend))
    return panel


def main(folder: Path = FOLDER) -> None:
    """Write the dashboards."""
    folder.mkdir(exist_ok=True)
    for name, build in DASHBOARDS.items():
        (folder / f"{name}.json").write_text(write_dashboard(build), encoding="utf-8")
        sys.stdout.write(f"{name}.json\n")


if __name__ == "__main__":
    main()
