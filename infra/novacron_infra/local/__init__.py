"""The serving stack as supervised processes on this machine: no cloud, no Kubernetes."""

from novacron_infra.local.serving import LocalServing, LocalServingArgs

__all__ = ["LocalServing", "LocalServingArgs"]
