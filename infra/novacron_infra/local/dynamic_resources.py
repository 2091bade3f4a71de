"""Removal of resources that earlier versions deployed through Pulumi's dynamic provider.

Their state names the classes here by their former place, `local.resources`. Pulumi uses them once, to
refresh or delete such a resource; `up` moves it to `provider.py` and keeps it running.
"""

from __future__ import annotations

from typing import Any

from pulumi.dynamic import ReadResult, ResourceProvider

from novacron_infra.local.handlers import Handler, ProcessHandler, ReadinessHandler


class _FormerProvider(ResourceProvider):
    """Reads and deletes."""

    handler: Handler

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Return the resource as it is now."""
        found = self.handler.read(id_, props)
        return ReadResult("", {}) if found is None else ReadResult(id_, dict(found))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the resource."""
        self.handler.delete(_props)


class ProcessProvider(_FormerProvider):
    """A supervised process."""

    handler = ProcessHandler()


class ReadinessProvider(_FormerProvider):
    """The readiness of several processes."""

    handler = ReadinessHandler()
