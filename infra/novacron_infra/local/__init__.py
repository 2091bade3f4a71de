"""The serving stack as supervised processes on this machine: no cloud, no Kubernetes.

Nothing is imported until it is asked for: each process's supervisor starts through this package and must stay small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novacron_infra.local.serving import LocalServing, LocalServingArgs

__all__ = ["LocalServing", "LocalServingArgs"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from novacron_infra.local import serving

        return getattr(serving, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
