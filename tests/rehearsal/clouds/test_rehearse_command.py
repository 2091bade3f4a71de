"""`novacron rehearse`: its output, the web page, and bad arguments."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path

import pytest

from tests.unit.ops.running import novacron
from tests.unit.ops.schemas import check_output

ROOT = Path(__file__).parents[3]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PROGRAM = """
import pulumi, pulumi_aws as aws
role = aws.iam.Role("role", assume_role_policy="{}")
cluster = aws.eks.Cluster("cluster", role_arn=role.arn, vpc_config={"subnet_ids": ["subnet-1", "subnet-2"]})
aws.eks.NodeGroup(
    "nodes", cluster_name=cluster.name, node_role_arn=role.arn, subnet_ids=["subnet-1"],
    scaling_config={"desired_size": 1, "min_size": 1, "max_size": 1},
    opts=pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="90m")),
)
"""

MEASURE = """
<iframe style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe><pre id="seen"></pre><script>
onload = () => {{
  const inside = document.querySelector("iframe").contentDocument
  const shown = [...inside.querySelectorAll("svg")].filter(picture => picture.getBoundingClientRect().width > 0)
  const outside = shown.flatMap(picture => [...picture.querySelectorAll("text")].filter(text =>
    text.getBoundingClientRect().right > picture.getBoundingClientRect().right - 14))
  document.querySelector("#seen").textContent = JSON.stringify({{
    width: inside.documentElement.scrollWidth, pictures: shown.map(picture => picture.parentElement.className),
    outside: outside.map(text => text.textContent), size: shown.map(picture => picture.getBoundingClientRect().width),
  }})
}}
</script>
"""


def rehearse(*arguments: str) -> int:
    """Run `novacron rehearse` and return its exit status."""
    return novacron("rehearse", *arguments)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {'aws:region': eu-west-1}\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rehearsing_a_program_without_an_environment_reports_its_resources(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rehearse("-s", "dev", "--html", "page.html") == 0
    output = capsys.readouterr().out
    assert "dev on simulated clouds: 3 cloud resources created. Only simulated providers ran." in output
    assert "eu-west-1          3" in output
    assert "longest chain of dependencies: at most 120 min: cluster 30 → nodes 90" in output
    assert "the project has no policy pack" in output
    assert "USD" not in output
    assert "at most 120 min" in (project / "page.html").read_text(encoding="utf-8")
    assert not (project / ".novacron").exists()


def test_rehearsing_a_program_that_fails_reports_its_error_and_ends_with_1(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "__main__.py").write_text("raise ValueError('no <idea>')")
    assert rehearse("-s", "dev", "--json", "--html", "page.html") == 1
    output = json.loads(capsys.readouterr().out)
    check_output("rehearse", output)
    assert (output["succeeded"], output["resources"], output["plan"]) == (False, 0, None)
    assert "ValueError: no <idea>" in output["errors"]
    written = (project / "page.html").read_text(encoding="utf-8")
    assert "the deployment failed after 0 cloud resources created" in written
    assert "ValueError: no &lt;idea&gt;" in written


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("config: {}\n", ["-s", "prod"], "there is no Pulumi.prod.yaml"),
        ("config: {}\n", ["--html", "missing/page.html"], "the folder missing does not exist"),
        ("config: {novacron:environment: {platform: moon}}\n", [], "Use one of local, aws, gcp, azure"),
        (
            "config: {novacron:environment: {platform: local}}\n",
            [],
            "`novacron preview -s dev` shows what would change",
        ),
        ("config: {}\n", ["--faults", "missing.yaml"], "--faults: missing.yaml does not exist"),
        ("config: {}\n", ["--faults", "[{fault: capacty}]"], "must be one of quota, capacity, slow, region_down"),
        ("config: {}\n", ["--faults", "[{fault: slow, second: 3}]"], "unknown key 'second'"),
        ("config: {a: 1, a: 2}\n", [], "Pulumi.dev.yaml is not valid YAML: duplicate key 'a'"),
    ],
)
def test_bad_arguments_and_configurations_end_with_2_before_the_program_runs(
    project: Path, capsys: pytest.CaptureFixture[str], content: str, arguments: list[str], message: str
) -> None:
    (project / "Pulumi.dev.yaml").write_text(content)
    assert rehearse("-s", "dev", *arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


def test_a_stack_file_that_only_the_engine_refuses_ends_with_2(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "Pulumi.dev.yaml").write_text("environment: [a]\n")
    assert rehearse("-s", "dev") == 2
    assert "only the Pulumi CLI supports ESC environments" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"\xff"], ids=["missing", "not text"])
def test_a_passphrase_file_that_cannot_be_read_ends_with_2(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content is not None:
        (project / "key").write_bytes(content)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "key")
    assert rehearse("-s", "dev") == 2
    assert "PULUMI_CONFIG_PASSPHRASE_FILE 'key'" in capsys.readouterr().err


def test_a_project_without_stack_files_can_be_rehearsed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "Pulumi.dev.yaml").unlink()
    (project / "__main__.py").write_text("import pulumi; pulumi.export('a', 1)")
    assert rehearse("-s", "dev", "--json") == 0
    assert json.loads(capsys.readouterr().out)["succeeded"] is True


def test_the_web_page_is_readable_by_its_owner_only(project: Path) -> None:
    (project / "__main__.py").write_text("")
    (project / "page.html").write_text("before")
    (project / "page.html").chmod(0o644)
    assert rehearse("-s", "dev", "--html", "page.html") == 0
    assert (project / "page.html").stat().st_mode & 0o777 == 0o600


def test_an_interrupted_rehearsal_ends_with_130_and_prints_no_report(project: Path) -> None:
    (project / "__main__.py").write_text("import os, signal; os.kill(os.getppid(), signal.SIGINT); signal.pause()")
    command = [sys.executable, "-c", "from novacron_ops.entry import main; main()", "rehearse", "-s", "dev"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert "error: interrupted; a rehearsal cannot be continued, run it again" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of prod with a program that fails at once: the topology comes from the plan."""
    folder = tmp_path_factory.mktemp("prod")
    (folder / "Pulumi.yaml").write_text("name: novacron\nruntime: python\n")
    (folder / "Pulumi.prod.yaml").write_text((ROOT / "Pulumi.prod.yaml").read_text(encoding="utf-8"))
    (folder / "__main__.py").write_text("raise SystemExit(1)")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert rehearse("-s", "prod", "--html", "page.html") == 1
    return folder / "page.html"


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on PATH: apt-get install chromium")
@pytest.mark.parametrize(("width", "pictured"), [(1280, "wide"), (400, "narrow")])
def test_the_web_page_fits_the_browser_window(prod: Path, tmp_path: Path, width: int, pictured: str) -> None:
    assert CHROMIUM is not None
    frame = tmp_path / "frame.html"
    frame.write_text(MEASURE.format(width=width, page=escape(prod.read_text(encoding="utf-8"))), encoding="utf-8")
    browser = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}"]
    command = [*browser, "--window-size=1400,1000", "--dump-dom", frame.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    seen = json.loads(shown.rpartition('<pre id="seen">')[2].partition("</pre>")[0])
    assert seen["width"] <= width
    assert seen["pictures"] == [pictured]
    assert seen["outside"] == []
    assert seen["size"][0] > width * 0.8
