"""The resources of the local platform, as a program declares them. `provider.py` manages them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi

from novacron_infra.local import dynamic_resources
from novacron_infra.local.handlers import GENERATED_SECRET, PROCESS, READINESS

# States of earlier versions name these classes.
_ProcessProvider = dynamic_resources.ProcessProvider
_ReadinessProvider = dynamic_resources.ReadinessProvider


def _with_former_type(opts: pulumi.ResourceOptions | None, former: str) -> pulumi.ResourceOptions:
    """Options with which a resource keeps the state that it had under Pulumi's dynamic provider."""
    aliases = [pulumi.Alias(type_=f"pulumi-python:dynamic/{former}")]
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=aliases))


class LocalProcess(pulumi.CustomResource):
    """A process that is kept running on this machine until it is deleted."""

    log: pulumi.Output[str]
    """The file with everything that it writes."""
    digest: pulumi.Output[str]
    """Changes when a process with another specification takes its place."""

    def __init__(
        self,
        name: str,
        *,
        service: str,
        run_dir: Path,
        module: str,
        config: Mapping[str, Any],
        secret_env: Mapping[str, pulumi.Input[str]],
        ports: Mapping[str, int],
        ready_url: str,
        ready_timeout_s: float,
        triggers: str,
        pass_env: tuple[str, ...] = (),
        timeout_field: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the process `service`. The arguments are the fields of `ProcessSpec`."""
        inputs = {
            "name": service,
            "run_dir": str(run_dir),
            "module": module,
            "config": json.dumps(config, sort_keys=True),
            "secret_env": secret_env,
            "ports": ports,
            "ready_url": ready_url,
            "ready_timeout_s": ready_timeout_s,
            "triggers": triggers,
            "pass_env": list(pass_env),
            "timeout_field": timeout_field,
            "log": None,
            "digest": None,
        }
        super().__init__(PROCESS, name, inputs, _with_former_type(opts, "local:Process"))


class LocalReadiness(pulumi.CustomResource):
    """Exists while all addresses return 200. Make what needs the whole stack depend on it."""

    def __init__(
        self,
        name: str,
        *,
        urls: list[str],
        processes: list[pulumi.Output[str]],
        timeout_s: float,
        logs: Path,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the readiness.

        Args:
            name: the resource's name.
            urls: the addresses.
            processes: digests of the processes that answer there; a new digest makes the resource wait again.
            timeout_s: how long to wait.
            logs: the folder that an error points to.
            opts: Pulumi's options.
        """
        inputs = {"urls": urls, "processes": processes, "timeout_s": timeout_s, "logs": str(logs)}
        super().__init__(READINESS, name, inputs, _with_former_type(opts, "local:Readiness"))


class LocalSecret(pulumi.CustomResource):
    """A random secret of the local platform. To get a new one, replace the resource."""

    value: pulumi.Output[str]
    """43 of A-Z, a-z, 0-9, - and _ (256 bits)."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        options = _with_former_type(opts, "novacron:GeneratedSecret")
        options.additional_secret_outputs = ["value"]
        super().__init__(GENERATED_SECRET, name, {"value": None}, options)
