"""Pages of the site that no file in docs/ has: made from other files, from the types and from the command's options."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tools.site.configuration import write_configuration_reference

ROOT = Path(__file__).parents[2]


def generate_pages() -> dict[str, str]:
    """Return the Markdown of each generated page by its path in docs/."""
    return {page: write() for page, write in GENERATED.items()}


def _copy(source: str) -> str:
    """Return a Markdown file of the repository, with its links into docs/ as the site needs them."""
    return re.sub(r"\]\((?:\.\./)*docs/", "](", (ROOT / source).read_text("utf-8"))


def _command() -> str:
    """Return the reference of the `novacron` command, which Typer writes."""
    import typer.main
    from novacron_ops.main import app
    from typer.cli import get_docs_for_click

    command = typer.main.get_group(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="novacron", title="The novacron command")
    for name, subcommand in command.commands.items():  # Typer cuts summaries off after 45 characters
        summary = (subcommand.help or "").partition("\n\n")[0].replace("\n", " ")
        text = re.sub(rf"^\* `{name}`: .*$", f"* `{name}`: {summary}", text, flags=re.MULTILINE)
    return re.sub(r"\x08?\n?Examples:\n((?:  .+\n)+)", _examples, text)


def _examples(found: re.Match[str]) -> str:
    lines = [line.strip() for line in found.group(1).splitlines()]
    return "\n".join(["Examples:", "", "```sh", *lines, "```", ""])


def _decisions() -> str:
    """Return the list of the decision records."""
    lines = [
        "# Decisions",
        "",
        "Each page records one choice that a newcomer would question, and the reason for it.",
        "",
    ]
    for path in sorted((ROOT / "docs/decisions").glob("0*.md")):
        number, _, title = path.read_text("utf-8").split("\n", 1)[0].removeprefix("# ").partition(". ")
        lines.append(f"{number}. [{title}]({path.name})")
    return "\n".join([*lines, ""])


GENERATED: dict[str, Callable[[], str]] = {
    "changelog.md": partial(_copy, "CHANGELOG.md"),
    "contributing.md": partial(_copy, "CONTRIBUTING.md"),
    "decisions/index.md": _decisions,
    "examples.md": partial(_copy, "examples/README.md"),
    "policy-pack.md": partial(_copy, "policy/README.md"),
    "reference/command.md": _command,
    "reference/configuration.md": write_configuration_reference,
    "security.md": partial(_copy, "SECURITY.md"),
}
