"""The region in which each resource of a stack is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from novacron_rehearsal import urn as urns
from novacron_rehearsal.state.resource import ResourceState

GLOBAL = "all regions"
"""Name of the group of resources that are in no single region."""
_GLOBAL_SERVICES = ("aws:route53", "gcp:dns", "azure-native:dns", "azure-native:trafficmanager")


def count_by_region(resources: Sequence[ResourceState]) -> dict[str, Counter[str]]:
    """Count the managed resources of each region by service, such as `aws:eks`.

    A resource is in the region of its provider or of its own inputs. Global DNS is in no region. A resource without
    either (a subnet in Azure, the provider of a cluster's Kubernetes API) is in the region of its dependencies, if they
    are all in one region.

    Args:
        resources: the resources in the state's order, in which dependencies come first.
    """
    regions: dict[str, str] = {}
    found: dict[str, Counter[str]] = {}
    for state in resources:
        if not state.custom:
            continue
        stated = regions.get(state.provider.rpartition("::")[0]) or _own_region(state)
        needed = {regions[urn] for urn in state.needs() if urn in regions}
        region = stated or (needed.pop() if len(needed) == 1 else None)
        if _service(state).startswith(_GLOBAL_SERVICES):
            region = None
        if region is not None:
            regions[state.urn] = region
        if not urns.is_provider(state.type):
            found.setdefault(region or GLOBAL, Counter())[_service(state)] += 1
    return found


def _own_region(state: ResourceState) -> str | None:
    values = (state.inputs.get(name) for name in ("region", "location"))
    return next((value for value in values if isinstance(value, str) and value not in ("", "global")), None)


def _service(state: ResourceState) -> str:
    return state.type.rsplit(":", 1)[0].split("/")[0]
