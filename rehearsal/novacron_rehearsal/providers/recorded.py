"""The provider of every package in a preview that contacts nothing: resources are as the state recorded them.

Outputs of a resource in the state are those of the last `up`, whatever the program now declares. Outputs of one that is
not in it are unknown, except for the inputs that are neither lists nor objects: those may have another structure as
outputs. Objects of Kubernetes are as the program declares them: they need nothing from their cluster but what is in
their status.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from novacron_rehearsal.providers.client import CheckFailure, DiffResult, ProviderResponse
from novacron_rehearsal.providers.in_process import InProcessProvider
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.urn import package_of, parse
from novacron_rehearsal.values import UNKNOWN, PropertyMap, Secret, without_secrets

_KUBERNETES: Final = "kubernetes"


class RecordedProvider(InProcessProvider):
    """Serves any package from the state. Calls `on_difference` with the URN of a resource that `up` would change."""

    def __init__(self, on_difference: Callable[[str], None]) -> None:
        self._on_difference = on_difference

    async def check(
        self, urn: str, olds: PropertyMap, news: PropertyMap, seed: bytes
    ) -> tuple[PropertyMap, list[CheckFailure]]:
        """Accept any inputs. An object of Kubernetes without a known name is named after its resource."""
        del olds, seed
        metadata = news.get("metadata")
        if package_of(parse(urn).type) == _KUBERNETES and isinstance(metadata, dict | None):
            name = (metadata or {}).get("name")
            if name is None or name is UNKNOWN:
                news = {**news, "metadata": {**(metadata or {}), "name": parse(urn).name}}
        return news, []

    async def diff(self, old: ResourceState, news: PropertyMap, ignore_changes: list[str]) -> DiffResult:
        """Return a change for objects of Kubernetes only; report the change of any other resource."""
        del ignore_changes
        if package_of(old.type) == _KUBERNETES:
            return DiffResult(changes=True)
        if any(_differs(old.inputs.get(key), value) for key, value in news.items() if not key.startswith("__")):
            self._on_difference(old.urn)
        return DiffResult(changes=False)

    async def create(self, urn: str, inputs: PropertyMap, timeout_s: float, *, preview: bool) -> ProviderResponse:
        """Return the inputs that are outputs of the same structure. The program sees all other outputs as unknown."""
        del timeout_s, preview
        if package_of(parse(urn).type) == _KUBERNETES:
            return ProviderResponse("", dict(inputs))
        # Azure returns the list of a cluster's identities as an object, for example.
        same = {name: value for name, value in inputs.items() if not isinstance(without_secrets(value), dict | list)}
        return ProviderResponse("", same)

    async def update(
        self, old: ResourceState, news: PropertyMap, timeout_s: float, ignore_changes: list[str], *, preview: bool
    ) -> ProviderResponse:
        """Return an object of Kubernetes as the program declares it, with the status that it had."""
        del timeout_s, ignore_changes, preview
        status = {"status": old.outputs["status"]} if "status" in old.outputs else {}
        return ProviderResponse(old.id, {**news, **status})

    async def read(self, urn: str, id_: str, inputs: PropertyMap, state: PropertyMap) -> ProviderResponse:
        """Return what is known of a resource that the program reads: what it passes."""
        del urn
        return ProviderResponse(id_, dict(state), dict(inputs))

    async def invoke(self, token: str, arguments: PropertyMap) -> tuple[None, list[CheckFailure]]:
        """Return an unknown result: the state does not record the results of functions."""
        del token, arguments
        return None, []


def _differs(old: object, new: object) -> bool:
    """Return whether a known value has changed; an unknown one may be the same."""
    old, new = (value.value if isinstance(value, Secret) else value for value in (old, new))
    if new is UNKNOWN:
        return False
    if isinstance(old, dict) and isinstance(new, dict):
        return any(_differs(old.get(key), value) for key, value in new.items() if not key.startswith("__"))
    if isinstance(old, list) and isinstance(new, list):
        return len(old) != len(new) or any(map(_differs, old, new))
    return old != new
