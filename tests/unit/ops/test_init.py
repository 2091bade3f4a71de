"""`novacron init`: what it writes is accepted by `novacron plan`, and what it cannot write is reported at once."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import yaml
from novacron_infra.catalog import Capacity, load_machines, load_models
from novacron_infra.config import LocalEnvironment, Platform, load
from novacron_ops.new_project import Answers, find_problems, list_questions, render_files
from novacron_ops.new_project.derived import list_machines, list_regions

from tests.unit.ops.running import novacron

ADMINS = {
    Platform.AWS: "arn:aws:iam::123456789012:role/operators",
    Platform.GCP: "group:operators@example.com",
    Platform.AZURE: "00000000-0000-0000-0000-000000000001",
}
ACCOUNTS = {Platform.GCP: "my-project", Platform.AZURE: "00000000-0000-0000-0000-000000000002"}
RECEIVER = "arn:aws:sns:us-west-2:123456789012:alarms"
AWS = ("--platform", "aws", "--admin", ADMINS[Platform.AWS])
SMALL = (*AWS, "--model", "llama-3.1-8b", "--machine", "p5.48xlarge", "--region", "us-west-2")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return tmp_path


def answer(platform: Platform, model: str, machine: str, regions: tuple[str, ...] = ()) -> Answers:
    base = Answers(project="llm", platform=platform, model=model, machine=machine, account=ACCOUNTS.get(platform))
    regions = regions or tuple(list_regions(base)[:1])
    domain = "api.example.com" if len(regions) > 1 else None
    return Answers(
        project="llm",
        platform=platform,
        model=model,
        machine=machine,
        regions=regions,
        admins=(ADMINS[platform],),
        account=ACCOUNTS.get(platform),
        domain=domain,
    )


def offered() -> list[tuple[Platform, str, str]]:
    """Return models and machines that `novacron init` offers together: of a mixture of experts the cheapest machine."""
    return [
        (platform, model.name, machine.name)
        for platform in ADMINS
        for model in load_models().values()
        for machine in list_machines(Answers(project="llm", platform=platform, model=model.name))[
            : 1 if model.experts else None
        ]
    ]


@pytest.mark.parametrize(("platform", "model", "machine"), offered())
def test_every_model_and_machine_that_is_offered_plans_without_a_problem(
    platform: Platform, model: str, machine: str
) -> None:
    assert find_problems(answer(platform, model, machine)) == []


def test_every_gpu_machine_that_the_clouds_sell_on_demand_is_offered() -> None:
    sold = {
        item.name
        for item in load_machines().values()
        if item.gpu
        and item.unsupported_because is None
        and (item.sold is None or Capacity.ON_DEMAND in item.sold.capacities)
    }
    assert {machine for _, _, machine in offered()} == sold


@pytest.mark.parametrize("platform", ADMINS)
def test_several_regions_get_a_replica_each(platform: Platform) -> None:
    machines = list_machines(Answers(project="llm", platform=platform, model="llama-3.1-70b"))
    one = answer(platform, "llama-3.1-70b", machines[0].name)
    regions = tuple(list_regions(one)[:3])
    assert len(regions) > 1
    several = answer(platform, "llama-3.1-70b", str(one.machine), regions)
    assert find_problems(several) == []
    text = render_files(Path(), several)[Path("Pulumi.dev.yaml")]
    environment = yaml.safe_load(text)["config"]["novacron:environment"]
    assert [region["name"] for region in environment["regions"]] == list(regions)
    assert environment["workers"]["count"] % len(regions) == 0


def test_files_are_written_and_planned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("init", "llm", *SMALL) == 0
    shown = capsys.readouterr().out
    assert "cd llm && novacron plan -s dev and then novacron rehearse -s dev" in shown
    assert sorted(file.name for file in (folder / "llm").iterdir()) == [
        ".gitignore",
        "Pulumi.dev.yaml",
        "Pulumi.yaml",
        "__main__.py",
    ]
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder / "llm")
        assert novacron("plan", "-s", "dev") == 0
    assert "dev on aws serves llama-3.1-8b" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stack", "options", "expected"),
    [
        ("main", (), {"kind": "development"}),
        ("search-qa", ("--region", "us-east-1", "--domain", "api.example.com"), {"primary": "us-west-2"}),
        ("prod", ("--alarm-receiver", RECEIVER), {"alarms": {"aws_topic_arns": [RECEIVER]}}),
    ],
)
def test_the_stack_says_what_its_name_and_its_regions_do_not(
    folder: Path, stack: str, options: tuple[str, ...], expected: dict[str, object]
) -> None:
    assert novacron("init", "-s", stack, *SMALL, *options) == 0
    environment = yaml.safe_load((folder / f"Pulumi.{stack}.yaml").read_text())["config"]["novacron:environment"]
    assert {key: environment.get(key) for key in ("kind", "primary", "alarms")} == {
        "kind": None,
        "primary": None,
        "alarms": None,
        **expected,
    }


def test_production_needs_a_receiver_of_alarms(capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("init", "-s", "prod", *SMALL) == 2
    assert "--alarm-receiver" in capsys.readouterr().err


def test_a_local_project_needs_no_other_option(folder: Path) -> None:
    assert novacron("init", "--cloud", "local") == 0
    text = (folder / "Pulumi.local.yaml").read_text()
    assert isinstance(load(yaml.safe_load(text)["config"]["novacron:environment"]), LocalEnvironment)


def test_a_cluster_of_ones_own_needs_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("init", "--platform", "kubernetes", "--model", "/models/mine", "--region", "eu") == 2
    shown = capsys.readouterr().err
    for text in ("--coordinator-image is missing", "--worker-image is missing", "--region does not apply"):
        assert text in shown
    assert "--model: novacron:environment.model.url = /models/mine: a model's URL starts with s3://" in shown
    digest = f"sha256:{'0' * 64}"
    images = ("--coordinator-image", f"ghcr.io/me/c@{digest}", "--worker-image", f"ghcr.io/me/w@{digest}")
    assert novacron("init", "--platform", "kubernetes", "--model", "s3://models/mine", "--gpus", "1", *images) == 0
    environment = yaml.safe_load((folder / "Pulumi.dev.yaml").read_text())["config"]["novacron:environment"]
    assert environment["model"] == {"id": "mine", "url": "s3://models/mine"}
    assert environment["workers"]["gpus"] == 1


@pytest.mark.parametrize("name", ["Pulumi.yaml", "Pulumi.dev.yaml", "__main__.py", ".gitignore"])
def test_no_file_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (folder / name).write_text("mine\n")
    assert novacron("init", *SMALL) == 2
    assert f"{name} exists already" in capsys.readouterr().err
    assert [(file.name, file.read_text()) for file in folder.iterdir()] == [(name, "mine\n")]


def test_without_a_terminal_all_missing_options_are_named_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert novacron("init") == 2
    assert "--platform is missing" in capsys.readouterr().err
    for platform, flags in (
        ("aws", ["--model", "--machine", "--region", "--admin"]),
        ("gcp", ["--model", "--machine", "--region", "--admin", "--account"]),
        ("azure", ["--model", "--machine", "--region", "--admin", "--account"]),
    ):
        assert novacron("init", "--platform", platform) == 2
        lines = capsys.readouterr().err.splitlines()
        assert [line.split()[1] for line in lines[1:]] == flags
    assert novacron("init", *AWS, "--region", "us-west-2,us-east-1") == 2
    assert "--domain is missing" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--platform", "amazon", "--platform amazon is not a platform; use one of aws, gcp, azure, kubernetes, local"),
        ("--machine", "P5.48XLARGE", "--machine: novacron:environment.workers.machine = P5.48XLARGE: "),
        ("--machine", "c6i.8xlarge", "it has no GPUs, and workers need them"),
        ("--machine", "a3-highgpu-8g", "it is a machine of gcp, and the region is on aws"),
        ("--model", "llama-4", "--model: novacron:environment.model.id = llama-4: it is not a model in the catalogue"),
        ("--region", "us-west-9", "--region: novacron:environment.regions[us-west-9].name = us-west-9: "),
        ("--stack", "a/b", "a stack's name has 1 to 100 letters, digits, hyphens, underscores and dots"),
        ("--account", "123", "--account does not apply to platform aws; remove it"),
        ("--coordinator-image", "c", "--coordinator-image does not apply to platform aws; remove it"),
    ],
)
def test_wrong_options_are_reported_as_plan_reports_them(
    folder: Path, capsys: pytest.CaptureFixture[str], flag: str, value: str, message: str
) -> None:
    options = dict(zip(SMALL[::2], SMALL[1::2], strict=True)) | {flag: value}
    assert novacron("init", *(text for pair in options.items() for text in pair)) == 2
    assert message in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_model_that_does_not_fit_is_refused_with_the_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--platform", "gcp", "--model", "llama-3.1-405b", "--machine", "a2-highgpu-1g", "--account", "p-123456")
    assert novacron("init", *options, "--region", "us-central1", "--admin", ADMINS[Platform.GCP]) == 2
    shown = capsys.readouterr().err
    assert "--machine: " in shown
    assert "does not fit" in shown


def test_a_region_that_does_not_sell_the_machine_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--platform", "azure", "--model", "llama-3.1-8b", "--account", ACCOUNTS[Platform.AZURE])
    machine = ("--machine", "Standard_ND96isr_H100_v5", "--admin", ADMINS[Platform.AZURE])
    assert novacron("init", *options, *machine, "--region", "brazilsoutheast") == 2
    assert "--region: novacron:environment.regions[brazilsoutheast].name" in capsys.readouterr().err


class Terminal(io.StringIO):
    """Standard input of a terminal, in which somebody types lines."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_asks_until_each_answer_is_valid(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = [
        "amazon",  # not a platform
        "aws",
        "",  # stack: dev
        "llama-9",
        "llama-3.1-70b",
        "p5.48xlarge",
        "us-west-9",
        "us-west-2, us-east-1",
        ADMINS[Platform.AWS],
        "api.example.com",
    ]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join([*typed, ""])))
    assert novacron("init", "llm") == 0
    shown = capsys.readouterr().err
    for text in ("amazon is not a platform", "llama-9: it is not a model", "us-west-9: aws had no such region"):
        assert text in shown
    environment = yaml.safe_load((folder / "llm/Pulumi.dev.yaml").read_text())["config"]["novacron:environment"]
    assert [region["name"] for region in environment["regions"]] == ["us-west-2", "us-east-1"]


def test_questions_of_a_terminal_can_be_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("aws\n"))  # then the end of input
    assert novacron("init") == 130
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("platform", Platform)
def test_every_question_of_a_platform_has_an_option_of_its_own(platform: Platform) -> None:
    flags = [question.flag for question in list_questions(platform)]
    assert len(flags) == len(set(flags))
