"""`novacron init`."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from novacron_ops.console import say
from novacron_ops.errors import Exit, OpsError

if TYPE_CHECKING:
    from novacron_infra.config import Platform

_PLATFORMS = ("aws", "gcp", "azure", "kubernetes", "local")


def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Folder of the new project.")] = Path(),
    platform: Annotated[
        str, typer.Option("--platform", "--cloud", metavar="NAME", help=f"One of {', '.join(_PLATFORMS)}.")
    ] = "",
    stack: Annotated[
        str, typer.Option("--stack", "-s", metavar="NAME", help="Name of the stack and of its environment.")
    ] = "",
    region: Annotated[
        list[str] | None,
        typer.Option("--region", metavar="NAME", help="Region of the cloud, the primary first. Repeat it for more."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Clouds: a model of the catalogue. kubernetes: its folder in a store. local: its folder.",
        ),
    ] = "",
    machine: Annotated[str, typer.Option(metavar="NAME", help="GPU machine of the workers in a cloud.")] = "",
    gpus: Annotated[
        int, typer.Option(metavar="N", min=0, help="GPUs of each worker; in a cloud all of a machine.")
    ] = 0,
    domain: Annotated[
        str, typer.Option(metavar="NAME", help="Domain name that clients use; needed for several regions.")
    ] = "",
    admin: Annotated[
        list[str] | None,
        typer.Option(
            "--admin",
            metavar="NAME",
            help="Administrator of the clusters: an ARN, group:ADDRESS or the id of an Entra group. Repeat it.",
        ),
    ] = None,
    account: Annotated[
        str, typer.Option(metavar="ID", help="Google Cloud: the project. Azure: the subscription.")
    ] = "",
    alarm_receiver: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Receiver of alarms, needed for production: an SNS topic's ARN, a notification channel, or an action "
            "group's id.",
        ),
    ] = "",
    coordinator_image: Annotated[
        str, typer.Option(metavar="IMAGE", help="Image of the coordinators; kubernetes.")
    ] = "",
    worker_image: Annotated[str, typer.Option(metavar="IMAGE", help="Image of the workers; kubernetes.")] = "",
) -> None:
    """Write a new project with a stack that plans and rehearses at once.

    In a terminal, it asks for what the options leave open. It writes Pulumi.yaml, Pulumi.<stack>.yaml, __main__.py and
    .gitignore, and overwrites nothing.

    \b
    Examples:
      novacron init
      novacron init llm --platform aws --model llama-3.1-70b --region us-west-2
      novacron init --platform local
    """
    from novacron_infra.config import Platform

    from novacron_ops.new_project import (
        Answers,
        ask_questions,
        check_answers,
        complete,
        render_files,
        split_list,
        write_files,
    )

    asking = sys.stdin.isatty()
    answers = Answers(
        project=re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).strip("-.") or "novacron",
        platform=Platform(_find_platform(platform, asking)),
        stack=stack or None,
        model=model or None,
        machine=machine or None,
        gpus=gpus or None,
        regions=split_list(region or ()),
        admins=split_list(admin or ()),
        account=account or None,
        domain=domain or None,
        alarm_receiver=alarm_receiver or None,
        coordinator_image=coordinator_image or None,
        worker_image=worker_image or None,
    )
    check_answers(answers, all_needed=not asking)
    if asking:
        answers = ask_questions(answers)
        check_answers(answers, all_needed=True)
    files = render_files(folder, answers)
    write_files(files)
    say(f"Wrote {', '.join(str(file) for file in files)}.")
    for line in _describe_next_steps(folder, answers.platform, str(complete(answers).stack)):
        say(line)


def _find_platform(platform: str, asking: bool) -> str:
    """Return the platform of the option or of the user's answer."""
    listed = ", ".join(_PLATFORMS)
    while platform not in _PLATFORMS:
        problem = f"--platform {platform} is not a platform; use one of {listed}"
        if not asking:
            missing = (
                f"--platform is missing; use one of {listed}. aws, gcp and azure also need --model, --machine, "
                "--region and --admin (gcp and azure --account, several regions --domain), and kubernetes needs "
                "--coordinator-image and --worker-image"
            )
            raise OpsError(problem if platform else missing, Exit.BAD_INPUT)
        if platform:
            typer.echo(f"  {problem}", err=True)
        platform = str(typer.prompt(f"Platform ({listed})", err=True)).strip()
    return platform


def _describe_next_steps(folder: Path, platform: Platform, stack: str) -> Iterator[str]:
    """Yield the commands to run next."""
    from novacron_infra.sdks import find_missing_sdk

    enter = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    steps = ("preview", "up") if platform.value == "local" else ("plan", "rehearse")
    if (command := find_missing_sdk(platform)) is not None:
        yield f"Install the Pulumi SDK of {platform.value}: {command}"
    yield f"Next: {enter}{' and then '.join(f'novacron {step} -s {stack}' for step in steps)}"
