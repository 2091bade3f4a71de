"""Dynamic resources: a supervised process, and the readiness of several together.

Their providers are importable, so their serialised form is stable: nothing changed means nothing to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from novacron_infra.local import process, readiness

_INPUTS = (
    "name",
    "run_dir",
    "module",
    "config",
    "secret_env",
    "ports",
    "ready_url",
    "ready_timeout_s",
    "triggers",
)


def _spec(properties: dict[str, Any]) -> process.ProcessSpec:
    return process.ProcessSpec(
        name=properties["name"],
        run_dir=Path(properties["run_dir"]),
        module=properties["module"],
        config=json.loads(properties["config"]),
        secret_env=properties["secret_env"],
        ports={field: int(port) for field, port in properties["ports"].items()},
        ready_url=properties["ready_url"],
        ready_timeout_s=float(properties["ready_timeout_s"]),
        triggers=properties["triggers"],
    )


def _folder(properties: dict[str, Any]) -> Path:
    """Without `_spec`: what an earlier version deployed has other properties, and is removed all the same."""
    return Path(properties["run_dir"]) / properties["name"]


def _outputs(properties: dict[str, Any]) -> dict[str, Any]:
    spec = _spec(properties)
    return {key: properties[key] for key in _INPUTS} | {"log": str(spec.log), "digest": spec.digest}


class _ProcessProvider(ResourceProvider):
    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        process.start(_spec(props))
        return CreateResult(props["name"], _outputs(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        changed = any(_olds.get(key) != _news.get(key) for key in _INPUTS)
        moved = [key for key in ("name", "run_dir") if _olds.get(key) != _news.get(key)]
        return DiffResult(changes=changed, replaces=moved, delete_before_replace=True)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        process.start(_spec(_news))
        return UpdateResult(_outputs(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        folder = _folder(props)
        if not process.alive(folder) or process.read_state(folder).get("status") in ("failed", "stopped"):
            return ReadResult("", {})
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        process.remove(_folder(_props))


class LocalProcess(Resource, module="local", name="Process"):
    """A process that is kept running on this machine until it is deleted."""

    log: pulumi.Output[str]
    """The file with all that it writes."""
    digest: pulumi.Output[str]
    """Changes when the process is replaced by one with another specification."""

    def __init__(
        self,
        name: str,
        *,
        service: str,
        run_dir: Path,
        module: str,
        config: dict[str, Any],
        secret_env: Mapping[str, pulumi.Input[str]],
        ports: dict[str, int],
        ready_url: str,
        ready_timeout_s: float,
        triggers: str,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """Args as in `process.ProcessSpec`; `service` is its `name`."""
        super().__init__(
            _ProcessProvider(),
            name,
            {
                "name": service,
                "run_dir": str(run_dir),
                "module": module,
                "config": json.dumps(config, sort_keys=True),
                "secret_env": secret_env,
                "ports": ports,
                "ready_url": ready_url,
                "ready_timeout_s": ready_timeout_s,
                "triggers": triggers,
                "log": None,
                "digest": None,
            },
            opts,
        )


class _ReadinessProvider(ResourceProvider):
    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        readiness.await_ready(props["urls"], float(props["timeout_s"]), props["logs"])
        return CreateResult("ready", props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=any(_olds.get(key) != _news.get(key) for key in ("urls", "processes")))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self.create(_news).outs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult("", {}) if readiness.not_ready(props["urls"]) else ReadResult(id_, props)


class LocalReadiness(Resource, module="local", name="Readiness"):
    """Exists while all addresses say that they are ready; what depends on it comes after that."""

    def __init__(
        self,
        name: str,
        *,
        urls: list[str],
        processes: list[pulumi.Output[str]],
        timeout_s: float,
        logs: Path,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """Args: `processes`: digests of what answers there; another one is waited for again."""
        inputs = {"urls": urls, "processes": processes, "timeout_s": timeout_s, "logs": str(logs)}
        super().__init__(_ReadinessProvider(), name, inputs, opts)
