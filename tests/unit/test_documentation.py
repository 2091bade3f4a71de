"""Documentation names files, make targets and pages that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tools.site.configuration import find_keys, write_configuration_reference
from tools.site.pages import COMMAND_PAGE, COPIES, link_within_site

ROOT = Path(__file__).parents[2]
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()} - {".venv", ".novacron", ".bench", "site"}
PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "policy/*.md", "examples/*.md", "images/*.md")
    for path in ROOT.glob(pattern)
)
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
HISTORY = {Path("CHANGELOG.md")}
"""Pages that also name what is gone."""


def read_prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in HISTORY], ids=str)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:[\w.*-]+/)+[\w.*-]*|__main__\.py|Pulumi\.[\w.*-]*yaml)`", read_prose(page))
    missing = [
        path
        for path in named
        if (path.split("/")[0] in FOLDERS or "/" not in path) and not any(ROOT.glob(path.rstrip("/")))
    ]
    assert missing == []


def test_contributing_answers_twenty_questions_with_paths() -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## Where is …?\n")[2]
    rows = re.findall(r"^\| .+\? \| (.+) \|$", section, re.MULTILINE)
    assert len(rows) >= 20
    assert all(any(ROOT.glob(path)) for row in rows for path in re.findall(r"`([^`]+)`", row))


@pytest.mark.parametrize(
    ("page", "folder"),
    [
        ("docs/request-path.md", "serving/novacron_serving"),
        ("docs/registration-path.md", "rehearsal/novacron_rehearsal"),
    ],
)
def test_every_module_that_a_design_page_names_exists(page: str, folder: str) -> None:
    modules = re.findall(r"`([\w/]+\.(?:py|yaml|css))`", read_prose(Path(page)))
    assert modules
    assert [module for module in modules if not any((ROOT / folder).rglob(module))] == []


def test_every_module_in_the_tables_of_the_architecture_exists() -> None:
    missing: list[str] = []
    for folder, table in re.findall(
        r"^\| module of `([\w/]+)/` \|.*\n\|[-|]+\n((?:\|.*\n)+)",
        (ROOT / "docs/architecture.md").read_text(),
        re.MULTILINE,
    ):
        base = next(path for path in (ROOT / folder, ROOT / "infra/novacron_infra" / folder) if path.is_dir())
        names = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
        assert names
        missing += [f"{folder}/{name}" for name in names if not any(base.glob(f"{name}*"))]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", read_prose(page))
    targets = [(ROOT / page).parent.joinpath(link).resolve() for link in links]
    assert [target for target in targets if not target.exists()] == []


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[a](../examples/README.md#1-gpu-pool-on-eks)", "[a](examples.md#1-gpu-pool-on-eks)"),
        ("[a](../CONTRIBUTING.md)", "[a](contributing.md)"),
        ("[a](docs/tutorial.md)", "[a](tutorial.md)"),
        ("[a](../docs/policies.md)", "[a](policies.md)"),
        ("[a](tutorial.md)", "[a](tutorial.md)"),
    ],
)
def test_links_to_files_of_the_repository_lead_to_their_pages_on_the_site(link: str, expected: str) -> None:
    assert link_within_site(link) == expected


@pytest.mark.parametrize("page", [page for page in PAGES if page not in HISTORY], ids=str)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+[a-z])\b", (ROOT / page).read_text())) <= targets


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", yaml.safe_dump(SITE["nav"])))
    exist = {str(path.relative_to("docs")) for path in PAGES if path.parts[0] == "docs"} | {*COPIES, COMMAND_PAGE}
    indexed = {page for page in exist if re.match(r"decisions/\d|runbooks/(?!index)", page)}
    assert listed == exist - indexed


def test_every_decision_is_listed_with_its_title() -> None:
    listed = (ROOT / "docs/decisions/index.md").read_text()
    records = sorted((ROOT / "docs/decisions").glob("0*.md"))
    assert records
    for record in records:
        number, _, title = record.read_text().split("\n", 1)[0].removeprefix("# ").partition(". ")
        assert f"\n{number}. [{title}]({record.name})\n" in listed


def test_the_site_loads_nothing_from_another_server() -> None:
    assert SITE["theme"]["font"] is False
    assert not [path for path in [*SITE["extra_css"], *SITE.get("extra_javascript", [])] if "//" in path]


def test_reference_lists_every_configuration_key_with_type_default_and_meaning() -> None:
    page = (ROOT / "docs/reference/configuration.md").read_text("utf-8")
    assert page == write_configuration_reference(), "run `make golden`"
    cloud, local = page.partition("## Local environments")[::2]
    assert "| `workers.gpus_per_worker` | integer, ≥ 1, ≤ 64 | required | " in cloud
    assert "| `model.store.kind` | `s3`, `gcs`, `azure`, `nfs`, `efs` | required | " in cloud
    assert "| `coordinator.http_port` | integer, ≥ 1, ≤ 65535 | `8080` | " in local
    assert [line for line in page.splitlines() if line.startswith("| `") and line.endswith("|  |")] == []


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ({"type": "array", "items": {"$ref": "#/$defs/Item"}}, ["key", "key[].name"]),
        ({"type": "object", "additionalProperties": {"$ref": "#/$defs/Item"}}, ["key", "key.<name>.name"]),
        ({"anyOf": [{"$ref": "#/$defs/Item"}, {"type": "null"}]}, ["key", "key.name"]),
        ({"anyOf": [{"oneOf": [{"$ref": "#/$defs/Item"}]}, {"type": "null"}]}, ["key", "key.name"]),
        ({"type": "string"}, ["key"]),
    ],
)
def test_reference_follows_lists_maps_and_optional_sections(kind: dict[str, object], expected: list[str]) -> None:
    item = {"type": "object", "properties": {"name": {"type": "string"}}}
    keys = find_keys({"properties": {"key": kind}}, {"Item": item})
    assert [key.path for key in keys] == expected
