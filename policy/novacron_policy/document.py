"""Writes the reference of the policies from the rules: `python -m novacron_policy.document`."""

from __future__ import annotations

from pathlib import Path

from novacron_policy.rules import RULES, Rule

FILE = Path(__file__).parents[2] / "docs/policies.md"
_HEAD = """\
# Policies

The policy pack checks every resource of a stack before it is created. All policies are mandatory unless configured
otherwise; `policy/README.md` says how to run and configure them. The pack also reports exemptions that match no
resource (`unused-exemptions`, advisory).

This page is generated: change `policy/novacron_policy/rules.py` and run `python -m novacron_policy.document`.

| Policy | Severity | Requirement |
|---|---|---|
"""


def render_document() -> str:
    """Return the text of the reference."""
    rows = "".join(f"| [{rule.name}](#{rule.name}) | {rule.severity.value} | {rule.description} |\n" for rule in RULES)
    return _HEAD + rows + "".join(_render_section(rule) for rule in RULES)


def _render_section(rule: Rule) -> str:
    lines = [
        f"\n## {rule.name}\n",
        f"{rule.description}\n",
        f"- **Resources:** {rule.resources}.",
        f"- **Remedy:** {rule.remedy}",
        f"- **Not checked:** {rule.limits}",
    ]
    if rule.framework:
        lines.append(f"- **Framework:** {rule.framework.name} {rule.framework.version}, {rule.framework.reference}")
    if rule.tags:
        lines.append(f"- **In checkov:** {', '.join(rule.tags)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(render_document(), encoding="utf-8")
