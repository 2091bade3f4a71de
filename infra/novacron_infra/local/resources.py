"""The local platform's Pulumi resources: a cluster token, a process, and the readiness of the whole.

Their dynamic providers are classes without state that are imported by name, so that what Pulumi stores of them never
changes by itself and a second `up` finds nothing to do.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from novacron_infra.local import processes
from novacron_infra.local.errors import ProcessFailedError
from novacron_infra.local.processes import Port, ServiceSpec

TOKEN_VARIABLE = "NOVACRON_CLUSTER_TOKEN"  # noqa: S105 - the name, not the value
MODEL_FILES = ("config.json", "tokenizer.json")


def _with_secret(opts: ResourceOptions | None, *names: str) -> ResourceOptions:
    return ResourceOptions.merge(opts, ResourceOptions(additional_secret_outputs=list(names)))


def _changed(keys: tuple[str, ...], olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    return [key for key in keys if olds.get(key) != news.get(key)]


class ClusterTokenProvider(ResourceProvider):
    """Generates a token once and keeps it."""

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Nothing about it changes."""
        return DiffResult(changes=False)

    def create(self, props: dict[str, Any]) -> CreateResult:  # noqa: ARG002
        """256 random bits."""
        return CreateResult(f"token-{secrets.token_hex(4)}", {"token": secrets.token_urlsafe(32)})


class ClusterToken(Resource, module="novacron", name="ClusterToken"):
    """The secret by which workers and the coordinator know each other."""

    token: Output[str]

    def __init__(self, name: str, opts: ResourceOptions | None = None) -> None:
        super().__init__(ClusterTokenProvider(), name, {"token": None}, _with_secret(opts, "token"))


class LocalProcessProvider(ResourceProvider):
    """Starts, adopts, restarts and stops one supervised process."""

    serialize_as_secret_always = False
    _inputs = (
        "service",
        "runDir",
        "command",
        "config",
        "ports",
        "readyPort",
        "readyPath",
        "readyTimeoutS",
        "stopGraceS",
        "fingerprint",
        "modelPath",
        "token",
    )
    _only_settings = ("readyTimeoutS", "stopGraceS")

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """What can be known before anything is started: the model's folder."""
        failures: list[CheckFailure] = []
        model_path = news.get("modelPath")
        if isinstance(model_path, str) and model_path:
            problem = model_problem(Path(model_path))
            if problem:
                failures.append(CheckFailure("modelPath", problem))
        return CheckResult(news, failures)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Any change restarts the process; another name or folder makes it another one."""
        changed = _changed(self._inputs, _olds, _news)
        return DiffResult(
            changes=bool(changed),
            replaces=[key for key in changed if key in {"service", "runDir"}],
            delete_before_replace=True,
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start it, or adopt it where it runs already, and wait until it is ready."""
        return CreateResult(props["service"], _outputs(props, processes.ensure_running(_spec(props))))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Start it anew with what has changed."""
        return UpdateResult(_outputs(_news, processes.ensure_running(_spec(_news))))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Gone when it does not run as it was recorded, so that the next run starts it again."""
        found = processes.find(Path(props["runDir"]), props["service"])
        if found is None or found.state.phase == "failed" or found.state.digest != props.get("digest"):
            return ReadResult("", {})
        return ReadResult(id_, {**props, "instance": found.instance})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Stop it and remove its folder; the log stays until the whole is taken down."""
        processes.remove(Path(_props["runDir"]), _props["service"], float(_props["stopGraceS"]))


class LocalProcess(Resource, module="novacron", name="LocalProcess"):
    """One supervised process on this machine. `instance` changes with each start by the platform."""

    instance: Output[str]
    digest: Output[str]

    def __init__(
        self,
        name: str,
        spec: ServiceSpec,
        *,
        token: Input[str],
        model_path: Path | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "service": spec.service,
            "runDir": str(spec.run_dir),
            "command": list(spec.command),
            "config": dict(spec.config),
            "ports": [{"number": port.number, "field": port.field} for port in spec.ports],
            "readyPort": spec.ready_url_port,
            "readyPath": spec.ready_path,
            "readyTimeoutS": spec.ready_timeout_s,
            "stopGraceS": spec.stop_grace_s,
            "fingerprint": spec.fingerprint,
            "modelPath": str(model_path) if model_path else "",
            "token": token,
            "instance": None,
            "digest": None,
        }
        super().__init__(LocalProcessProvider(), name, props, _with_secret(opts, "token"))


class ServingReadyProvider(ResourceProvider):
    """Waits until the coordinator says that it can serve."""

    serialize_as_secret_always = False
    _inputs = ("port", "path", "instances", "timeoutS", "runDir", "service")

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Looked at again whenever a process was started."""
        return DiffResult(changes=bool(_changed(self._inputs, _olds, _news)))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait."""
        _await_ready(props)
        return CreateResult("ready", {key: props[key] for key in self._inputs})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Wait again."""
        _await_ready(_news)
        return UpdateResult({key: _news[key] for key in self._inputs})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Gone when it is not ready now."""
        ready = processes.answers(int(props["port"]), props["path"])
        return ReadResult(id_, props) if ready else ReadResult("", {})


class ServingReady(Resource, module="novacron", name="ServingReady"):
    """The serving stack answers: its coordinator is ready with all of these processes."""

    def __init__(
        self,
        name: str,
        *,
        coordinator: ServiceSpec,
        ready_path: str,
        instances: Mapping[str, Input[str]],
        opts: ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "port": coordinator.ready_url_port,
            "path": ready_path,
            "instances": dict(instances),
            "timeoutS": coordinator.ready_timeout_s,
            "runDir": str(coordinator.run_dir),
            "service": coordinator.service,
        }
        super().__init__(ServingReadyProvider(), name, props, opts)


def model_problem(folder: Path) -> str:
    """Why a folder is no Hugging Face model that a worker could load; empty when it looks like one."""
    if not folder.is_dir():
        return f"model folder {folder} does not exist; set local.model.path to a Hugging Face model folder"
    missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if not any(folder.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        return (
            f"model folder {folder} lacks {', '.join(missing)}; "
            "local.model.path has to be a whole Hugging Face model with its weights in safetensors"
        )
    return ""


def _spec(props: Mapping[str, Any]) -> ServiceSpec:
    return ServiceSpec(
        service=props["service"],
        run_dir=Path(props["runDir"]),
        command=list(props["command"]),
        config=props["config"],
        ports=[Port(int(port["number"]), port["field"]) for port in props["ports"]],
        ready_url_port=int(props["readyPort"]),
        ready_path=props["readyPath"],
        ready_timeout_s=float(props["readyTimeoutS"]),
        stop_grace_s=float(props["stopGraceS"]),
        fingerprint=props["fingerprint"],
        environment={TOKEN_VARIABLE: props["token"]},
    )


def _outputs(props: Mapping[str, Any], running: processes.Running) -> dict[str, Any]:
    kept = {key: value for key, value in props.items() if not key.startswith("__")}
    return {**kept, "instance": running.instance, "digest": running.state.digest}


def _await_ready(props: Mapping[str, Any]) -> None:
    port, path, timeout_s = int(props["port"]), str(props["path"]), float(props["timeoutS"])
    run_dir, service = Path(props["runDir"]), str(props["service"])
    deadline = time.monotonic() + timeout_s
    while not processes.answers(port, path):
        if time.monotonic() > deadline:
            raise ProcessFailedError(
                service,
                f"http://{processes.HOST}:{port}{path} did not answer 200 within {timeout_s:.0f} s with all started",
                processes.log_path(run_dir, service),
                processes.last_log_lines(run_dir, service),
            )
        time.sleep(0.1)
