"""Counts the planned properties that an independent description of each cloud's API checks.

Counts the components of each folder's `samples.region`. `python -m tests.unit.independent` prints the figures and
writes them into docs/independent-checks.md; it is part of `make golden`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.unit.aws import aws_api
from tests.unit.aws import graph as aws_graph
from tests.unit.aws import samples as aws_samples
from tests.unit.azure import azure_api
from tests.unit.azure import graph as azure_graph
from tests.unit.azure import samples as azure_samples
from tests.unit.gcp import gcp_api, gcp_calls
from tests.unit.gcp import graph as gcp_graph
from tests.unit.gcp import samples as gcp_samples

PAGE = Path(__file__).parents[2] / "docs/independent-checks.md"
BEGIN, END = "<!-- counted: make golden writes it again -->", "<!-- end -->"


@dataclass(frozen=True)
class Cover:
    """The properties of one cloud that are checked: the top-level ones of every planned resource."""

    cloud: str
    description: str
    planned: Sequence[tuple[str, str]]
    """Type and property."""
    unchecked: Sequence[tuple[str, str]]
    addressed: Sequence[tuple[str, str]]
    """Properties in the call's URL without a rule for their values."""

    @property
    def unchecked_types(self) -> set[str]:
        """Return the types without a checked property."""
        return {type_ for type_, _ in self.planned} - {type_ for type_, _ in set(self.planned) - set(self.unchecked)}

    @property
    def row(self) -> str:
        """Return a row of the page's table."""
        types, properties = len({type_ for type_, _ in self.planned}), len(self.planned)
        checked = properties - len(self.unchecked) - len(self.addressed)
        figures = (
            f"{types - len(self.unchecked_types)} of {types}",
            _share(checked, properties),
            _share(len(self.addressed), properties),
            _share(len(self.unchecked), properties),
        )
        return f"| {self.cloud} | {self.description} | {' | '.join(figures)} |"

    @property
    def missing(self) -> list[str]:
        """Return the unchecked properties by type, a line each."""
        lines: list[str] = []
        for type_ in sorted({type_ for type_, _ in self.unchecked}):
            names = sorted({name for owner, name in self.unchecked if owner == type_})
            what = "all of it" if type_ in self.unchecked_types else ", ".join(f"`{name}`" for name in names)
            lines.append(f"- {self.cloud} `{type_}`: {what}")
        return lines


def covers() -> list[Cover]:
    """Count the properties of every cloud."""
    return [
        _cover(
            "AWS",
            "botocore's service models",
            [(item.type, name) for item in aws_graph.declare(aws_samples.region).custom for name in item.inputs],
            lambda type_, name: name in aws_api.NOT_SENT.get(type_, set()),
            lambda _type, _name: False,
        ),
        _cover(
            "Google Cloud",
            "discovery documents in google-api-python-client",
            [(item.type, name) for item in gcp_graph.declare(gcp_samples.region).custom for name in item.inputs],
            lambda type_, name: type_ in gcp_calls.WITHOUT_DOCUMENT or name in gcp_calls.NOT_SENT.get(type_, set()),
            lambda type_, name: (
                gcp_calls.CALLS[type_].fields[name].startswith("?") and not gcp_api.is_constrained(type_, name)
            ),
        ),
        _cover(
            "Azure",
            "models in the azure-mgmt packages, Microsoft's OpenAPI descriptions for names in URLs",
            [
                (item.type.removeprefix("azure-native:"), name)
                for item in azure_graph.declare(azure_samples.region).custom
                for name in item.inputs
            ],
            lambda type_, _name: type_ in azure_api.NO_MODELS,
            lambda type_, name: name in azure_api.IN_PATH and azure_api.name_rule(type_, name) is None,
        ),
    ]


def _cover(
    cloud: str,
    description: str,
    planned: Sequence[tuple[str, str]],
    is_unchecked: Callable[[str, str], bool],
    is_addressed: Callable[[str, str], bool],
) -> Cover:
    unchecked = [item for item in planned if is_unchecked(*item)]
    addressed = [item for item in planned if not is_unchecked(*item) and is_addressed(*item)]
    return Cover(cloud, description, planned, unchecked, addressed)


def _share(count: int, total: int) -> str:
    return f"{count} of {total} ({count / total:.0%})"


def counted() -> str:
    """Return the counted part of the page."""
    found = covers()
    head = "| cloud | description | types | properties checked | only in the URL | not checked |"
    rows = [head, "|---|---|---|---|---|---|", *(item.row for item in found)]
    return "\n".join([*rows, "", "Not checked:", "", *(line for item in found for line in item.missing)])


def written(text: str) -> str:
    """Return the page with a new counted part."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    result = counted()
    PAGE.write_text(written(result), encoding="utf-8")
    print(result)  # noqa: T201
