"""The catalogue as text and as JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from novacron_infra.catalog import (
    Gpu,
    Machine,
    Model,
    find_own_folder,
    find_price,
    list_own_files,
    load_catalog,
    suggest_names,
)

from novacron_ops.errors import Exit, OpsError
from novacron_ops.tables import Table, indent

_UNKNOWN = "?"
"""Stands for a figure that is not verified."""


@dataclass(frozen=True)
class CatalogReport:
    """The output of `novacron catalog`."""

    lines: Sequence[str]
    values: Any
    """The same for `--json`."""


def list_entries(kind: str, cloud: str | None) -> CatalogReport:
    """Return the entries of a kind, in the order of the catalogue.

    Args:
        kind: machines, gpus or models.
        cloud: the cloud of the machines, or None for all.

    Raises:
        OpsError: there is no such kind.
        CatalogFilesError: the project's own files have problems.
    """
    catalog = load_catalog()
    if kind == "machines":
        machines = [item for item in catalog.machines.values() if cloud in (None, item.cloud.value)]
        return CatalogReport(_list_machines(machines).lines(), [_to_json(item) for item in machines])
    if kind == "gpus":
        gpus = catalog.gpus.values()
        return CatalogReport(_list_gpus(gpus).lines(), [_to_json(item) for item in gpus])
    if kind == "models":
        models = catalog.models.values()
        return CatalogReport(_list_models(models).lines(), [_to_json(item) for item in models])
    raise OpsError(f"{kind!r}: {suggest_names(kind, ('machines', 'gpus', 'models'))}", Exit.BAD_INPUT)


def show_entry(name: str) -> CatalogReport:
    """Return everything that the catalogue states about a machine, GPU model or model.

    Raises:
        OpsError: there is no entry of this name.
        CatalogFilesError: the project's own files have problems.
    """
    catalog = load_catalog()
    tables: Sequence[Mapping[str, Gpu | Machine | Model]] = (catalog.machines, catalog.gpus, catalog.models)
    found = next((table[name] for table in tables if name in table), None)
    if found is None:
        hint = suggest_names(name, [item for table in tables for item in table])
        raise OpsError(f"{name!r} is not in the catalogue. {hint}", Exit.BAD_INPUT)
    values = _to_json(found)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=118, default_flow_style=None)
    return CatalogReport(text.rstrip().splitlines(), values)


def check_own_files() -> CatalogReport:
    """Return the project's own files, and the entries in them.

    Raises:
        CatalogFilesError: with every problem of the files.
    """
    folder = find_own_folder()
    if folder is None:
        line = "The project has no folder `catalog` next to Pulumi.yaml. The catalogue is that of this version"
        return CatalogReport([line], {"folder": None, "files": [], "entries": {}, "problems": []})
    own = dict(load_catalog().own)
    files = [file.name for file in list_own_files(folder)]
    lines = [f"No problems in {folder}: {', '.join(files) or 'no files'}", *indent(list(own.values()))]
    return CatalogReport(lines, {"folder": str(folder), "files": files, "entries": own, "problems": []})


def _list_machines(machines: Iterable[Machine]) -> Table:
    rows: list[list[str]] = []
    for item in machines:
        price = find_price(item.name)
        rows.append(
            [
                item.name,
                item.cloud.value,
                f"{item.gpu_count} × {item.gpu}" if item.gpu else "",
                str(item.vcpus),
                f"{item.memory_gib:g}",
                _show(item.local_nvme_gb),
                _show(item.network_gbps),
                item.fabric.kind.value if item.fabric else "",
                f"{price.usd_per_hour:,.2f}" if price else "no public price",
                price.region if price else "",
                (item.unsupported_because and "no") or "yes",
            ]
        )
    headings = ("machine", "cloud", "GPUs", "vCPUs", "GiB", "NVMe GB", "Gbit/s", "fabric", "USD/h", "in", "usable")
    return Table(headings, rows)


def _list_gpus(gpus: Iterable[Gpu]) -> Table:
    rows = [
        [
            item.name,
            item.architecture.value,
            f"{item.memory_gib:.1f}",
            _show(item.speed and item.speed.bandwidth_gb_per_s),
            _show(item.speed and item.speed.bf16_tflops),
            _show(item.speed and item.speed.fp8_tflops, ""),
            _show(item.speed and item.speed.fp4_tflops, ""),
        ]
        for item in gpus
    ]
    return Table(("GPU", "architecture", "GiB", "GB/s", "BF16 TFLOPS", "FP8 TFLOPS", "FP4 TFLOPS"), rows)


def _list_models(models: Iterable[Model]) -> Table:
    rows = [
        [item.name, f"{item.parameters / 1e9:,.2f}", str(item.layers), f"{item.max_context_tokens:,}"]
        for item in models
    ]
    return Table(("model", "10^9 parameters", "layers", "context tokens"), rows)


def _show(figure: float | None, unknown: str = _UNKNOWN) -> str:
    return unknown if figure is None else f"{figure:,.6g}"


def _to_json(entry: Gpu | Machine | Model) -> dict[str, Any]:
    """Return an entry as JSON values. A machine has its prices and the regions that offer it as well."""
    catalog = load_catalog()
    values = entry.model_dump(mode="json")
    if isinstance(entry, Machine):
        prices = [item for item in catalog.prices if item.cloud is entry.cloud and item.usd_per_hour.get(entry.name)]
        values["usd_per_hour"] = [
            {"source": item.source, "as_of": str(item.as_of), "regions": item.usd_per_hour[entry.name]}
            for item in prices
        ]
        lists = [item for item in catalog.offers if item.cloud is entry.cloud]
        values["offered_in"] = sorted({region for item in lists for region in item.offers.get(entry.name, ())})
        values["unsupported_because"] = entry.unsupported_because
    values["file"] = catalog.own.get(entry.name)
    return values
