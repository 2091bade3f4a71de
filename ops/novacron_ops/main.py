"""The `novacron` command. Exit status: 0 done, 1 failed, 2 bad input, 130 interrupted."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from novacron_infra.config import LocalEnvironment, load
from novacron_infra.config.problems import KEY as CONFIG_KEY
from novacron_infra.errors import ConfigurationError, NovaCronError
from novacron_infra.plan import EnvironmentPlan, describe, plan_environment
from novacron_infra.plan import values as plan_values
from novacron_rehearsal import Operation, RehearsalError
from novacron_rehearsal.display import Display
from rich.console import Console
from rich.table import Table

from novacron_ops import local_processes, quality, regions, rehearsing
from novacron_ops.backends import Engine, choose, find_project, policy_packs
from novacron_ops.description import configuration
from novacron_ops.errors import Exit, OpsError

app = typer.Typer(
    help="GPU clusters and LLM serving from one typed description.", no_args_is_help=True, add_completion=False
)
console = Console(soft_wrap=True)  # sentences are copied and searched: the terminal breaks them, not we

Stack = Annotated[str, typer.Option("--stack", "-s", help="Which Pulumi.<stack>.yaml.")]
Which = Annotated[Engine, typer.Option("--engine", help="auto: the Pulumi CLI where it is on PATH.")]
Without = Annotated[
    list[str] | None, typer.Option("--without-region", help="Leave a dead region as it is; may be given again.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def _run_dir(project: Path, stack: str) -> Path:
    return project / ".novacron" / "run" / stack


@app.command()
def up(stack: Stack = "local", engine: Which = Engine.AUTO, without_region: Without = None) -> None:
    """Deploy a stack and wait until it answers."""
    began = time.monotonic()
    project = find_project(Path.cwd())
    backend = choose(engine, project, stack, console)
    console.print(f"with the {backend.description}", style="dim")
    cloud = regions.is_cloud(project, stack)
    exclude = regions.deployed_exclusions(project, stack, without_region or (), backend)
    # What died since the last run is found by asking, not by trusting the state; but a dead region cannot be asked.
    if not backend.run(Operation.UP, refresh=not cloud, go_on=cloud, exclude=exclude):
        logs_hint = (
            f"; `novacron logs -s {stack}` has the processes' own words" if _run_dir(project, stack).is_dir() else ""
        )
        raise OpsError(f"stack {stack} is not up; what was made is kept{logs_hint}")
    outputs = backend.outputs()
    endpoint, model = outputs.get("endpoint"), outputs.get("model")
    if not isinstance(endpoint, str) or not isinstance(model, str):
        return
    request = json.dumps({"model": model, "messages": [{"role": "user", "content": "What is a GPU?"}]})
    console.print(
        f"\n[bold]{endpoint}[/bold] answers, {time.monotonic() - began:.1f} s after you asked. Try it:", highlight=False
    )
    print(f"\n  curl {endpoint}/chat/completions -H 'Content-Type: application/json' -d '{request}'\n")  # noqa: T201 - must stay one line
    console.print(f"How it is, and a playground: {endpoint.removesuffix('/v1')}/", highlight=False)
    console.print(f"Remove it all: make down (or novacron down -s {stack})", highlight=False)


@app.command()
def preview(stack: Stack = "local", engine: Which = Engine.AUTO, without_region: Without = None) -> None:
    """Show what `up` would do, without doing it."""
    project = find_project(Path.cwd())
    backend = choose(engine, project, stack, console)
    console.print(f"with the {backend.description}", style="dim")
    exclude = regions.deployed_exclusions(project, stack, without_region or (), backend)
    if not backend.run(Operation.PREVIEW, exclude=exclude):
        raise OpsError("the preview failed")


@app.command()
def down(stack: Stack = "local", engine: Which = Engine.AUTO, without_region: Without = None) -> None:
    """Remove everything that `up` made."""
    project = find_project(Path.cwd())
    backend = choose(engine, project, stack, console)
    exclude = regions.exclusions(project, stack, without_region or ())
    succeeded = backend.run(Operation.DESTROY, go_on=regions.is_cloud(project, stack), exclude=exclude)
    left = local_processes.stop_all(_run_dir(project, stack))
    if left:
        console.print(f"also stopped, though the state did not have them: {', '.join(left)}")
    if not succeeded:
        raise OpsError("not everything could be removed; run it again")
    backend.forget()


@app.command()
def status(stack: Stack = "local", engine: Which = Engine.AUTO, as_json: AsJson = False) -> None:
    """What runs, where, and how it is. Exit status 1 when something is not well."""
    project = find_project(Path.cwd())
    outputs = choose(engine, project, stack, console).outputs()
    services = local_processes.services(_run_dir(project, stack))
    endpoint = outputs.get("endpoint")
    cluster = local_processes.cluster_status(endpoint) if isinstance(endpoint, str) else None
    active, total = local_processes.active_workers(cluster)
    if as_json:
        listed = [
            {"name": s.name, "status": s.status, "pid": s.pid, "restarts": s.restarts, "up_s": round(s.up_s, 1)}
            for s in services
        ]
        print(json.dumps({"stack": stack, "outputs": outputs, "services": listed, "cluster": cluster}))  # noqa: T201
    elif not outputs and not services:
        console.print(f"stack {stack} is not deployed; `novacron up -s {stack}` deploys it")
    else:
        table = Table("process", "status", "pid", "up", "restarts")
        for service in services:
            up_for = f"{service.up_s:.0f} s" if service.pid else ""
            table.add_row(service.name, service.status, str(service.pid or ""), up_for, str(service.restarts))
        console.print(table)
        answer = f"answers, {active} of {total} workers active" if cluster else "does not answer"
        console.print(f"endpoint: {endpoint} ({answer})", highlight=False)
        console.print(f"logs: {_run_dir(project, stack) / 'logs'}", highlight=False)
    if services and (cluster is None or active < total or any(service.status != "ready" for service in services)):
        raise typer.Exit(Exit.FAILED)


@app.command()
def logs(
    stack: Stack = "local",
    service: Annotated[str | None, typer.Option(help="One process only.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1)] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """The last lines of every process's log."""
    folder = _run_dir(find_project(Path.cwd()), stack) / "logs"
    files = sorted(folder.glob("*.log"))
    if not files:
        console.print(f"stack {stack} has no logs: it is not deployed; `novacron up -s {stack}` deploys it")
        return
    if service is not None:
        known = ", ".join(file.stem for file in files) or "none"
        files = [file for file in files if file.stem == service]
        if not files:
            raise OpsError(f"--service {service}: no such log; there are: {known}", Exit.BAD_INPUT)
    positions: dict[Path, int] = {}
    for file in files:
        text = file.read_text(errors="replace")
        positions[file] = file.stat().st_size
        for line in text.splitlines()[-lines:]:
            print(f"{file.stem:<12} {line}")  # noqa: T201
    while follow:
        time.sleep(0.3)
        for file, position in positions.items():
            with file.open("rb") as handle:
                handle.seek(position if file.stat().st_size >= position else 0)
                for line in handle.read().decode(errors="replace").splitlines():
                    print(f"{file.stem:<12} {line}", flush=True)  # noqa: T201
                positions[file] = handle.tell()


@app.command()
def plan(stack: Stack = "prod", as_json: AsJson = False) -> None:
    """Show what an environment in a cloud comes to: nodes, replicas, memory, failover, price. Nothing is contacted."""
    file = find_project(Path.cwd()) / f"Pulumi.{stack}.yaml"
    found = _planned(file, as_json)
    if found is None:
        raise OpsError(f"{file} has no {CONFIG_KEY} below config: an environment is needed", Exit.BAD_INPUT)
    if isinstance(found, LocalEnvironment):
        raise OpsError(
            f"stack {stack!r} is local: there is nothing to plan; `novacron preview -s {stack}`", Exit.BAD_INPUT
        )
    text = json.dumps(plan_values(found), indent=1, ensure_ascii=False) if as_json else "\n".join(describe(found))
    print(text)  # noqa: T201 - exactly these lines: golden files hold them


def _planned(file: Path, as_json: bool) -> EnvironmentPlan | LocalEnvironment | None:
    """What a stack's environment comes to; the environment itself when it is local, None where the file has none."""
    given = configuration(file)
    if CONFIG_KEY not in given:
        return None
    try:
        config = load(given[CONFIG_KEY])
        return config if isinstance(config, LocalEnvironment) else plan_environment(config)
    except ConfigurationError as error:
        if as_json:
            print(json.dumps({"problems": [asdict(item) for item in error.problems]}, ensure_ascii=False))  # noqa: T201
            raise typer.Exit(Exit.BAD_INPUT) from error
        raise OpsError(str(error), Exit.BAD_INPUT) from error


@app.command()
def rehearse(
    stack: Stack = "prod",
    faults: Annotated[str, typer.Option(help="A file of faults to strike with, or their text.")] = "",
    html: Annotated[Path | None, typer.Option(help="Write the report as a page, with a picture, to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a stack up on simulated clouds: what would be made where, at which price; what would be slow or refused."""
    project = find_project(Path.cwd())
    file = project / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        raise OpsError(f"stack {stack!r}: there is no Pulumi.{stack}.yaml", Exit.BAD_INPUT)
    if html is not None and not html.parent.is_dir():
        raise OpsError(f"--html {html}: there is no folder {html.parent}", Exit.BAD_INPUT)
    planned = _planned(file, as_json)
    with Display(Console(stderr=True, soft_wrap=True)) as display:
        found = rehearsing.rehearse(project, stack, policy_packs(project, stack), faults, display)
    report = rehearsing.Report(stack, found, None if isinstance(planned, LocalEnvironment) else planned)
    if html is not None:
        html.write_text(rehearsing.page(report), encoding="utf-8")
    if as_json:
        print(json.dumps(rehearsing.values(report), ensure_ascii=False))  # noqa: T201
    else:
        print("\n".join(rehearsing.describe(report)))  # noqa: T201 - tables are not to be wrapped
        if html is not None:
            console.print(f"as a page: {html}", highlight=False)
    if not found.succeeded:
        raise OpsError(f"stack {stack} would not come up")


@app.command(name="quality")
def measure_quality(
    model: Annotated[Path | None, typer.Argument(help="A Hugging Face folder; the tiny model when left out.")] = None,
    reference: Annotated[Path | None, typer.Option(help="What to compare with, in FP32; the model itself.")] = None,
    quantization: Annotated[
        list[quality.Quantization] | None, typer.Option(help="May be given again; int8 and int4 when left out.")
    ] = None,
    dtype: Annotated[quality.Dtype, typer.Option(help="What the model computes in.")] = quality.Dtype.FLOAT32,
    device: Annotated[quality.Device, typer.Option(help="Where.")] = quality.Device.CPU,
    text: Annotated[Path | None, typer.Option(help="Dialogues to compare on; the text that ships here.")] = None,
    report: Annotated[Path | None, typer.Option(help="The report's file; quality.json beside the model.")] = None,
    minimum: Annotated[float | None, typer.Option(min=0, max=1, help="Exit status 1 for a score below it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a quantised model against FP32: the score from 0 to 1 that `targets.quality_fraction` is about."""
    question = quality.Question(
        model=model,
        reference=reference,
        quantizations=tuple(quantization or (quality.Quantization.INT8, quality.Quantization.INT4)),
        dtype=dtype,
        device=device,
        text=text,
        report=report,
    )
    found = quality.measure(question)
    if as_json:
        print(json.dumps(found))  # noqa: T201
    else:
        console.print(quality.table(found))
        tokens = found["measurements"][0]["tokens"]
        console.print(f"score: share of {tokens:,} next tokens at which the model and FP32 choose the same")
    if minimum is not None and (problems := quality.below(found, minimum)):
        raise OpsError("; ".join(problems))


@app.command(name="export")
def export_state(
    stack: Stack = "local",
    engine: Which = Engine.AUTO,
    file: Annotated[Path | None, typer.Option(help="Standard output when left out.")] = None,
    show_secrets: Annotated[bool, typer.Option(help="Secrets in plain, for another passphrase.")] = False,
) -> None:
    """Write the state as `pulumi stack export` does."""
    text = json.dumps(
        choose(engine, find_project(Path.cwd()), stack, console).export(show_secrets=show_secrets), indent=4
    )
    if file is None:
        print(text)  # noqa: T201
    else:
        file.touch(mode=0o600)  # it may hold secrets in plain
        file.write_text(text + "\n")


@app.command(name="import")
def import_state(
    file: Annotated[Path, typer.Argument(help="What `export` or `pulumi stack export` wrote.")],
    stack: Stack = "local",
    engine: Which = Engine.AUTO,
) -> None:
    """Take over a state from a file; the stack's present state is replaced."""
    try:
        exported = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise OpsError(f"{file} cannot be read as JSON: {error}", Exit.BAD_INPUT) from error
    choose(engine, find_project(Path.cwd()), stack, console).import_(exported)


@app.command()
def setup(pulumi: Annotated[bool, typer.Option("--pulumi", help="Install the official Pulumi CLI.")] = False) -> None:
    """Install what is optional."""
    if not pulumi:
        raise OpsError("nothing to set up: say --pulumi", Exit.BAD_INPUT)
    from pulumi.automation import PulumiCommand

    try:
        command = PulumiCommand.install()
    except Exception as error:  # the Automation API raises whatever its installer met
        raise OpsError(f"the Pulumi CLI could not be installed (its download needs the internet): {error}") from error
    console.print(f"installed {command.command}, version {command.version}; put its folder on PATH", highlight=False)


def main() -> None:
    """Run the command; every known error is one message and an exit status."""
    try:
        # Outside standalone mode `typer.Exit` comes back as the value.
        ended_with = app(standalone_mode=False)
    except (OpsError, RehearsalError, NovaCronError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(error.exit_status if isinstance(error, OpsError) else Exit.FAILED)
    except typer.Abort:
        sys.exit(Exit.INTERRUPTED)
    except Exception as error:
        shown = getattr(error, "format_message", None)
        if shown is None:
            raise
        Console(stderr=True).print(f"error: {shown()}", style="red", highlight=False, markup=False)
        sys.exit(Exit.BAD_INPUT)
    sys.exit(ended_with if isinstance(ended_with, int) else Exit.OK)
