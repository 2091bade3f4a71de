"""The policies' reference, from the rules. `python -m novacron_policy.document` writes it again."""

from __future__ import annotations

from pathlib import Path

from novacron_policy.rules import RULES, Rule

FILE = Path(__file__).parents[2] / "docs/policies.md"
_HEAD = """\
# Policies

Made from the rules by `python -m novacron_policy.document`. How to run and configure them: `policy/README.md`. All are
mandatory unless configured otherwise.

| policy | severity | asks |
|---|---|---|
"""


def document() -> str:
    """The text of the file."""
    rows = "".join(f"| [{rule.name}](#{rule.name}) | {rule.severity.value} | {rule.description} |\n" for rule in RULES)
    return _HEAD + rows + "".join(_section(rule) for rule in RULES)


def _section(rule: Rule) -> str:
    lines = [
        f"\n## {rule.name}\n",
        f"{rule.description}\n",
        f"- **Looks at:** {rule.looks_at}.",
        f"- **What to do:** {rule.remedy}",
        f"- **Does not see:** {rule.limits}",
    ]
    if rule.framework:
        lines.append(f"- **Framework:** {rule.framework.name} {rule.framework.version}, {rule.framework.reference}")
    if rule.tags:
        lines.append(f"- **In checkov:** {', '.join(rule.tags)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
