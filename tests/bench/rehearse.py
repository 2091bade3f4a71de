"""Cost of a rehearsal, and the components' part of it: `make bench-rehearse`.

Compares `novacron rehearse` of a stack with a rehearsal of a plain Pulumi program that declares the same resources
(same types, names and inputs, with the SDKs' classes and without our components), on the same engine, simulated clouds
and policies. The plain program is generated from the state of a rehearsal. An input that equals another resource's
output refers to that output; other values are literals, and `depends_on` keeps the order. Runs alternate, and figures
are medians of three. Wall time is that of the whole command. Memory is the peak sum over its processes, sampled every
50 ms. CPU time is more reliable than wall time on a busy machine.

Another stack than prod: `python -m tests.bench.rehearse dev`.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from novacron_rehearsal import Options, Workspace
from novacron_rehearsal import urn as urns
from novacron_rehearsal.clouds import sdk, serve_clouds
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.values import Value, without_secrets

from tests.bench.engine import Figures, measure

ROOT = Path(__file__).parents[2]
RUNS = 3
WALL_S, PEAK_MIB, RATIO = 30.0, 1024.0, 1.15


def rehearse(stack: str) -> list[ResourceState]:
    """Deploy a stack to simulated clouds and return its resources in the order of the state."""
    with tempfile.TemporaryDirectory() as folder, serve_clouds() as ports:
        workspace = Workspace(ROOT, stack, backend_dir=Path(folder), passphrase="bench")
        result = workspace.up(Options(attached_providers=ports))
        if not result.succeeded:
            raise RuntimeError(result.errors)
        return workspace.snapshot().resources


def plain_program(resources: Sequence[ResourceState]) -> str:
    """Return a program without components that declares the same resources."""
    own = [state for state in resources if state.custom and not urns.package_of(state.type).startswith("pulumi")]
    variables = {state.urn: f"r{index}" for index, state in enumerate(own)}
    states = {state.urn: state for state in resources}
    modules: set[str] = set()
    lines = [_declaration(state, states, variables, modules) for state in resources if state.urn in variables]
    imports = ["import pulumi", *(f"import {module}" for module in sorted(modules))]
    return "\n".join([*imports, "", *lines, ""])


def _declaration(
    state: ResourceState, states: Mapping[str, ResourceState], variables: Mapping[str, str], modules: set[str]
) -> str:
    name, variable = urns.parse(state.urn).name, variables[state.urn]
    cls = sdk.find_class(state.type)
    package = cls.__module__.split(".")[0]
    modules.add(package)
    # Each class of an SDK has its own module; programs use it from the package above.
    path = f"{cls.__module__.rpartition('.')[0] or package}.{cls.__name__}"
    arguments, taken = [repr(name)], set[str]()
    names = _python_names(cls)
    for key, value in state.inputs.items():
        if key.startswith("__") or (key == "version" and urns.is_provider(state.type)):
            continue
        source = _source(value, state.property_dependencies.get(key, []), states)
        if source is not None:
            taken.add(source[0])
            arguments.append(f"{names[key]}={variables[source[0]]}.{source[1]}")
        else:
            arguments.append(f"{names[key]}={_literal(value)}")
    before = [variables[urn] for urn in _before(state, states) if urn in variables and urn not in taken]
    options = [f"depends_on=[{', '.join(before)}]"]
    provider = state.provider.rpartition("::")[0]
    if provider in variables:
        options.append(f"provider={variables[provider]}")
    return f"{variable} = {path}({', '.join(arguments)}, opts=pulumi.ResourceOptions({', '.join(options)}))"


def _before(state: ResourceState, states: Mapping[str, ResourceState]) -> dict[str, None]:
    """Return the dependencies of a resource and of the components that contain it."""
    inherited = _before(states[state.parent], states) if state.parent in states else {}
    return dict.fromkeys([*state.dependencies, *inherited])


def _source(value: Value, needs: Sequence[str], states: Mapping[str, ResourceState]) -> tuple[str, str] | None:
    """Return the URN and the property whose value an input equals, or None."""
    if not isinstance(value, str) or not value:
        return None
    for urn in needs:
        state = states.get(urn)
        if state is None:
            continue
        if state.id == value:
            return urn, "id"
        for wire, name in _python_names(sdk.find_class(state.type)).items():
            if state.outputs.get(wire) == value:
                return urn, name
    return None


@cache
def _python_names(cls: type[Any]) -> dict[str, str]:
    """Return the Python name of each property by its name on the wire."""
    module = sys.modules[cls.__module__]
    found: dict[str, str] = {}
    for holder in (cls, getattr(module, f"{cls.__name__}Args", None), getattr(module, f"{cls.__name__}InitArgs", None)):
        for name, member in vars(holder).items() if holder else ():
            if isinstance(member, property) and (wire := getattr(member.fget, "_pulumi_name", None)):
                found[wire] = name
    return found


def _literal(value: Value) -> str:
    plain = repr(without_secrets(value))
    return plain if value == without_secrets(value) else f"pulumi.Output.secret({plain})"


def write_project(folder: Path, stack: str, description: str, program: str) -> None:
    """Write a project that uses this repository's policies."""
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: novacron\nruntime: python\n")
    (folder / f"Pulumi.{stack}.yaml").write_text(description)
    (folder / "__main__.py").write_text(program)
    (folder / "policy").symlink_to(ROOT / "policy")
    if (ROOT / ".venv").is_dir():  # the policy pack's virtual environment
        (folder / ".venv").symlink_to(ROOT / ".venv")


def print_row(label: str, figures: Figures) -> None:
    """Print a row of the table."""
    sys.stdout.write(f"{label:<28} {figures.wall_s:>7.2f} {figures.cpu_s:>7.2f} {figures.peak_mib:>6.0f}\n")
    sys.stdout.flush()


def median_figures(runs: Sequence[Figures]) -> Figures:
    """Return the median of each figure."""
    return Figures(
        median(run.wall_s for run in runs), median(run.cpu_s for run in runs), median(run.peak_mib for run in runs)
    )


def find_count(report: str) -> int:
    """Return the number of cloud resources that a rehearsal's report states."""
    found = re.search(r"on simulated clouds: (\d+) cloud resources created", report)
    if found is None:
        raise RuntimeError(f"the report states no number of cloud resources:\n{report[-2000:]}")
    return int(found.group(1))


def main(stack: str) -> int:
    """Print the table. Return 1 if a target is missed."""
    with tempfile.TemporaryDirectory() as name:
        folders = {"components": Path(name) / "components", "plain program": Path(name) / "plain"}
        description = (ROOT / f"Pulumi.{stack}.yaml").read_text()
        write_project(folders["components"], stack, description, (ROOT / "__main__.py").read_text())
        write_project(folders["plain program"], stack, "config: {}\n", plain_program(rehearse(stack)))
        command = [sys.executable, "-c", "from novacron_ops.entry import main; main()", "rehearse", "-s", stack]
        runs: dict[str, list[Figures]] = {which: [] for which in folders}
        counts: dict[str, int] = {}
        load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
        sys.stdout.write(f"rehearsals of {stack:<14} {'wall s':>7} {'CPU s':>7} {'MiB':>6}  {load}\n")
        for _ in range(RUNS):
            for which, folder in folders.items():
                runs[which].append(measure(command, dict(os.environ), folder))
                print_row(which, runs[which][-1])
                counts[which] = find_count((folder / "output").read_text())
    ours, plain = (median_figures(runs[which]) for which in folders)
    for which, figures in (("components, median", ours), ("plain program, median", plain)):
        print_row(which, figures)
    ratio, cpu = ours.wall_s / plain.wall_s, ours.cpu_s / plain.cpu_s
    if len(set(counts.values())) != 1:
        raise RuntimeError(f"the two do not declare the same resources: {counts}")
    kept = {
        f"{counts['components']} resources in {ours.wall_s:.1f} s, target below {WALL_S:g} s": ours.wall_s < WALL_S,
        f"peak {ours.peak_mib:.0f} MiB, target below {PEAK_MIB:g} MiB": ours.peak_mib < PEAK_MIB,
        f"{ratio:.2f} times the plain program (CPU {cpu:.2f}), target {RATIO:g}": ratio <= RATIO,
    }
    for line, met in kept.items():
        sys.stdout.write(f"{'met   ' if met else 'MISSED'} {line}\n")
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or ["prod"]))
