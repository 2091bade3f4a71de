"""How an environment is put together from its parts."""

from __future__ import annotations

from pathlib import Path

import pulumi

from novacron_infra.config import EnvironmentConfig, LocalEnvironment
from novacron_infra.errors import NovaCronError
from novacron_infra.local import LocalServing, LocalServingArgs


def build(config: EnvironmentConfig, project_dir: Path) -> None:
    """Declare the environment's resources and export the stack's outputs.

    Outputs: `endpoint` (base URL of the API), `model` (the id to ask for), `logs` (folder).

    Raises:
        NovaCronError: for a platform whose components are not part of this version.
    """
    if not isinstance(config, LocalEnvironment):
        raise NovaCronError(
            f"novacron:environment.platform = {config.platform.value}: its components are not part of this version; "
            "only the local platform can be deployed"
        )
    serving = LocalServing(
        "serving",
        LocalServingArgs(
            run_dir=project_dir / ".novacron" / "run" / pulumi.get_stack(),
            model_id=config.model.id,
            model_path=project_dir / config.model.path if config.model.path else None,
            http_port=config.coordinator.http_port,
            grpc_port=config.coordinator.grpc_port,
            worker_count=config.workers.count,
            worker_base_port=config.workers.base_port,
            device=config.workers.device,
            threads=config.workers.threads,
            start_timeout_s=config.workers.start_timeout_s,
        ),
    )
    pulumi.export("endpoint", serving.endpoint)
    pulumi.export("model", serving.model)
    pulumi.export("logs", serving.logs)
