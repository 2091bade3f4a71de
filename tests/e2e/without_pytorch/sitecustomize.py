"""Gives workers an engine without PyTorch, whose import is most of a local stack's start.

Python imports this module when it starts, because `Project.use_light_workers` puts its folder on PYTHONPATH.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novacron_serving.engines import EngineStats
    from novacron_serving.engines.pytorch import PyTorchConfig


class IdleEngine:
    """An engine that loads at once. The tests that use it send no prompts."""

    max_context_tokens = 1024
    dtype = "float32"

    def __init__(self, folder: Path, config: PyTorchConfig) -> None:
        del folder
        self.max_concurrent_requests = config.max_concurrent_requests

    async def load(self) -> None: ...

    def stats(self) -> EngineStats:
        from novacron_serving.engines import EngineStats

        return EngineStats(running_requests=0, waiting_requests=0, kv_cache_utilization=0)

    def healthy(self) -> bool:
        return True

    async def unload(self) -> None: ...


if "novacron_serving.worker" in sys.orig_argv:
    from novacron_serving.engines import pytorch

    idle: Any = IdleEngine
    pytorch.PyTorchEngine = idle
