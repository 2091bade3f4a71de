"""How an environment is put together from its parts."""

from __future__ import annotations

from pathlib import Path

import pulumi

from novacron_infra.config import EnvironmentConfig, LocalEnvironment
from novacron_infra.errors import NovaCronError
from novacron_infra.local import LocalServing, LocalServingArgs
from novacron_infra.plan import describe, plan_environment


def build(config: EnvironmentConfig, project_dir: Path) -> None:
    """Declare the environment's resources and export the stack's outputs.

    Outputs of a local environment: `endpoint` (base URL of the API), `model` (the id to ask for), `logs` (folder). An
    environment in a cloud has none yet: its preview shows the plan.

    Raises:
        NovaCronError: for a model that does not fit its machines, and when an environment in a cloud is to be deployed:
            its components are not part of this version.
    """
    if not isinstance(config, LocalEnvironment):
        plan = plan_environment(config)
        missing = f"the components of platform {config.platform.value} are not part of this version"
        if not pulumi.runtime.is_dry_run():
            raise NovaCronError(f"{missing}: preview this stack to see its plan, deploy the local one")
        pulumi.log.warn(f"{missing}: this preview shows the plan and no resources")
        pulumi.log.info("\n".join(describe(plan)))
        return
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
