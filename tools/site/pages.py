"""Pages of the site that no file in docs/ has: copies of other files, and the reference of the `novacron` command."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIES = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "examples.md": "examples/README.md",
    "policy-pack.md": "policy/README.md",
    "security.md": "SECURITY.md",
}
"""Pages of the site by their path in docs/, and the files of the repository that they copy."""
COMMAND_PAGE = "reference/command.md"


def generate_pages() -> dict[str, str]:
    """Return the Markdown of each generated page by its path in docs/."""
    copies = {page: (ROOT / source).read_text("utf-8") for page, source in COPIES.items()}
    return {**copies, COMMAND_PAGE: _write_command_reference()}


def link_within_site(markdown: str) -> str:
    """Return a page whose links to files of the repository lead to the site's pages of these files."""
    markdown = re.sub(r"\]\((?:\.\./)*docs/", "](", markdown)
    for page, source in COPIES.items():
        markdown = re.sub(rf"\]\((?:\.\./)*{re.escape(source)}(?=[)#])", f"]({page}", markdown)
    return markdown


def _write_command_reference() -> str:
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
