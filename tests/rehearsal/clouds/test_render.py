"""`novacron render`: the trial stack as golden files, a cloud stack before and after `up`, charts in every layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rehearsal.clouds.conftest import Site
from tests.rehearsal.clouds.test_environment import describe, environment
from tests.unit.ops.running import ROOT, copy_program, enter_project, novacron
from tests.unit.ops.schemas import check_output

GOLDEN = ROOT / "tests" / "rehearsal" / "golden" / "trial"
DATABASES_GOLDEN = GOLDEN.with_name("databases")
"""The objects that the trial stack has only with `postgres` and `redis`."""
DATABASES = """
    postgres: {image: localhost/novacron-databases:trial}
    redis: {image: localhost/novacron-databases:trial}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter_project(tmp_path, monkeypatch)
    return tmp_path


def render_trial(folder: Path, *options: str) -> None:
    """Render the trial stack as a clone that never deployed it does, into `out` below the current folder."""
    copy_program(folder, "trial")
    assert novacron("render", "trial", "--output", "out", *options) == 0


def render_databases(folder: Path, *options: str) -> None:
    """Render the trial stack with Postgres and Redis into `out`."""
    copy_program(folder, "trial")
    stack = folder / "Pulumi.trial.yaml"
    stack.write_text(stack.read_text() + DATABASES)
    assert novacron("render", "trial", "--output", "out", *options) == 0


def read_databases(folder: Path) -> dict[str, str]:
    """Return the rendered objects of Postgres and Redis, by path."""
    return {path: text for path, text in read(folder).items() if "llm-postgres" in path or "llm-redis" in path}


def read(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def load(folder: Path) -> dict[str, Any]:
    """The parsed manifests by path."""
    return {path: yaml.safe_load(text) for path, text in read(folder).items() if path.endswith(".yaml")}


def test_the_trial_stack_is_rendered_as_its_golden_files(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    render_trial(project)
    rendered = read(project / "out")
    assert rendered == read(GOLDEN), "run `make golden` and review the change"
    assert not any("pulumi.com" in text or "\nstatus:" in text for text in rendered.values())
    assert not any("secrets-hash" in text for text in rendered.values())  # the user sets the values
    assert "kind: Secret\n" not in "".join(rendered.values())
    shown = capsys.readouterr().out
    assert "kubectl create secret generic llm-workers --namespace novacron-llm" in shown
    assert novacron("render", "trial", "--output", "out") == 0
    assert read(project / "out") == rendered
    assert f"(files: 0 written, {len(load(GOLDEN))} unchanged, 0 removed)" in capsys.readouterr().out


def test_databases_of_the_stack_are_rendered_as_their_golden_files(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    render_databases(project)
    assert read_databases(project / "out") == read(DATABASES_GOLDEN), "run `make golden` and review the change"
    shown = capsys.readouterr().out
    for name, key in (("llm-postgres", "POSTGRES_PASSWORD"), ("llm-redis", "REDIS_PASSWORD")):
        assert f"printf '{key}=%s\\n' \"${key}\" | kubectl create secret generic {name} --namespace" in shown


def test_the_protected_claim_of_a_database_is_never_pruned(project: Path) -> None:
    render_databases(project, "--layout", "argo-cd", "--repository", "https://git.example.com/ops")
    claim = "persistentvolumeclaim.novacron-llm.llm-postgres-data.yaml"
    annotations = load(project / "out")[f"cluster/objects/{claim}"]["metadata"]["annotations"]
    assert annotations["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    assert novacron("render", "trial", "--output", "flux", "--layout", "flux") == 0
    (flux,) = [one for path, one in load(project / "flux").items() if path.endswith(claim)]
    assert flux["metadata"]["annotations"] == {"kustomize.toolkit.fluxcd.io/prune": "disabled"}


def test_argo_cd_gets_an_application_and_sync_waves(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    render_trial(
        project, "--layout", "argo-cd", "--repository", "https://git.example.com/ops", "--path", "lab", "--json"
    )
    files = load(project / "out")
    source = files["applications/cluster.yaml"]["spec"]["source"]
    assert source == {"path": "lab/cluster/objects", "repoURL": "https://git.example.com/ops", "targetRevision": "main"}
    waves = {
        path.rpartition("/")[2].partition(".")[0]: content["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]
        for path, content in files.items()
        if path.startswith("cluster/")
    }
    assert (waves["namespace"], waves["deployment"], waves["statefulset"]) == ("0", "1", "2")
    printed = json.loads(capsys.readouterr().out)
    check_output("render", printed)
    objects = len(load(GOLDEN))
    assert (printed["written"], printed["clusters"][0]["objects"], printed["outdated"]) == (objects + 1, objects, [])
    assert novacron("render", "trial", "--output", "out", "--layout", "argo-cd") == 2
    assert "--layout argo-cd needs --repository" in capsys.readouterr().err


def test_flux_gets_kustomizations_one_after_the_other(project: Path) -> None:
    (project / ".git").mkdir()
    render_trial(project, "--layout", "flux")
    files = load(project / "out")
    steps = [files[f"cluster/flux/{wave:02}.yaml"] for wave in range(3)]
    assert [step["spec"]["path"] for step in steps] == [f"./out/cluster/{wave:02}" for wave in range(3)]
    assert [step["spec"].get("dependsOn") for step in steps] == [
        None,
        [{"name": "novacron-trial-00"}],
        [{"name": "novacron-trial-01"}],
    ]
    assert all(step["spec"]["wait"] and step["spec"]["prune"] for step in steps)


def test_a_cloud_stack_needs_the_values_of_its_last_up(
    site: Site, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(site.folder)
    values = environment("dev")
    values["clusters"]["add_ons"] = True
    values["add_ons"] = {"cert_manager": "install"}
    describe(site, values)
    out = str(project / "out")
    assert novacron("render", "dev", "--output", out) == 1
    problems = capsys.readouterr().err
    unknown = "dev-us-west-2: StorageClass {}: parameters.kmsKeyId is known only after `novacron up` has created"
    assert unknown.format("fast-ssd") in problems
    assert unknown.format("gp3") in problems
    assert "Run `novacron up -s dev --without-cluster-objects`, then render" in problems
    assert not (project / "out").exists()
    result = site.up(exclude=("**$kubernetes:**",))
    assert result.succeeded, result.errors
    assert novacron("render", "dev", "--output", out) == 0
    files = load(project / "out")
    charts = {path for path in files if path.startswith("dev-us-west-2/charts/")}
    assert charts
    assert {wave for _, wave, *_ in (path.split("/") for path in files.keys() - charts)} >= {"00"}
    key = files["dev-us-west-2/00/storageclass.gp3.yaml"]["parameters"]["kmsKeyId"]
    (made,) = [
        state
        for state in site.workspace.snapshot().resources
        if state.urn.endswith("kms/key:Key::dev-us-west-2-storage")
    ]
    assert key == made.outputs["arn"]
    capsys.readouterr()
    values["tags"] = {"team": "inference"}
    describe(site, values)
    assert novacron("render", "dev", "--output", out) == 0
    shown = capsys.readouterr().out
    assert "changed since the last `novacron up`, and the manifests have the results of that run: dev-" in shown


CHARTS = """
import pulumi
import pulumi_kubernetes as k8s

class Part(pulumi.ComponentResource):
    pass

part = Part("test:index:Part", "part")
cluster = k8s.Provider("lab-kubernetes", kubeconfig="{}")
def on(*after):
    return pulumi.ResourceOptions(parent=part, provider=cluster, depends_on=list(after))
space = k8s.core.v1.Namespace("keda", metadata={"name": "keda"}, opts=on())
keda = k8s.helm.v3.Release(
    "keda", name="keda", namespace="keda", chart="keda", version="2.20.1",
    repository_opts={"repo": "https://charts.example.com"}, values={"replicas": 2}, opts=on(space),
)
lws = k8s.helm.v3.Release(
    "lws", name="lws", namespace="keda", chart="oci://registry.example.com/charts/lws", version="v0.9.0", opts=on(space)
)
scaled = k8s.apiextensions.CustomResource(
    "scaled", api_version="keda.sh/v1alpha1", kind="ScaledObject", metadata={"name": "scaled", "namespace": "keda"},
    spec={"pollingInterval": 30}, opts=on(keda),
)
patch = k8s.storage.v1.StorageClassPatch(
    "patch", metadata={"name": "standard", "annotations": {"a": "b", "pulumi.com/patchForce": "true"}}, opts=on()
)
"""


def describe_charts(project: Path, more: str = "") -> None:
    (project / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (project / "__main__.py").write_text(CHARTS + more)


def test_charts_become_what_each_layout_has_for_them(project: Path) -> None:
    describe_charts(project)
    assert novacron("render", "lab", "--output", "flux", "--layout", "flux") == 0
    flux = load(project / "flux")
    repository, release = (flux[f"lab/01/helm{kind}.lws.yaml"]["spec"] for kind in ("repository", "release"))
    assert repository == {"interval": "10m", "type": "oci", "url": "oci://registry.example.com/charts"}
    assert release["chart"]["spec"]["version"] == "v0.9.0"
    assert flux["lab/01/helmrelease.keda.yaml"]["spec"]["values"] == {"replicas": 2}
    assert "lab/02/scaledobject.keda.sh.keda.scaled.yaml" in flux
    assert flux["lab/00/storageclass.standard.yaml"]["metadata"]["annotations"] == {
        "a": "b",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
    }
    argo_options = ("--layout", "argo-cd", "--repository", "https://git.example.com/ops")
    assert novacron("render", "lab", "--output", "argo", *argo_options) == 0
    argo = load(project / "argo")
    source = argo["applications/lab-lws.yaml"]["spec"]["source"]
    assert (source["repoURL"], source["chart"]) == ("registry.example.com/charts", "lws")
    assert argo["applications/lab-keda.yaml"]["metadata"]["annotations"] == {"argocd.argoproj.io/sync-wave": "1"}
    scaled = argo["lab/objects/scaledobject.keda.sh.keda.scaled.yaml"]["metadata"]["annotations"]
    assert scaled["argocd.argoproj.io/sync-options"] == "SkipDryRunOnMissingResource=true"
    assert novacron("render", "lab", "--output", "plain") == 0
    plain = (project / "plain/lab/charts/01-keda.yaml").read_text()
    assert plain == (
        "# helm upgrade --install keda keda --repo https://charts.example.com --version 2.20.1 --namespace keda "
        "--values 01-keda.yaml\nreplicas: 2\n"
    )


def test_a_secret_outside_a_secret_and_unknown_values_are_reported_together(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = """
import pulumi_random as random
made = random.RandomPassword("made", length=8)
k8s.core.v1.ConfigMap("leak", metadata={"name": "leak"}, data={"key": pulumi.Output.secret("x")}, opts=on())
k8s.core.v1.ConfigMap("later", metadata={"name": "later"}, data={"id": made.id}, opts=on())
"""
    describe_charts(project, more)
    assert novacron("render", "lab", "--output", "out", "--json") == 1
    printed = json.loads(capsys.readouterr().out)
    check_output("render", printed)
    assert printed["problems"] == [
        "lab: ConfigMap later: data.id is known only after `novacron up` has created "
        "random:index/randomPassword:RandomPassword made",
        "lab: ConfigMap leak: data.key is secret, and only a Secret may hold it",
    ]
    assert not (project / "out").exists()
