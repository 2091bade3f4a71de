"""The serving processes on any platform: their configuration, names and identities; and `ServingStack` in a cluster.

Nothing is imported until it is asked for: ServingStack loads the Kubernetes SDK, which local stacks do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novacron_infra.workloads.serving_stack import ServingStack, ServingStackArgs

__all__ = ["ServingStack", "ServingStackArgs"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from novacron_infra.workloads import serving_stack

        return getattr(serving_stack, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
