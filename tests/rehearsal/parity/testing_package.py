"""The package that scenarios' programs import: resources of the simulated providers, and the number of the step."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi import ResourceOptions

STEP = pulumi.Config().require_int("step")
"""1 for the scenario's first step, 2 for the second, and so on."""


class Thing(pulumi.CustomResource):
    """A resource; any inputs. `made` is its id, `key` a secret that `hidden=True` makes."""

    made: pulumi.Output[str]
    key: pulumi.Output[str]

    def __init__(
        self, name: str, opts: ResourceOptions | None = None, type_: str = "testing:index:Thing", **inputs: Any
    ) -> None:
        outputs = {"made": None, "key": None} if "hidden" in inputs else {"made": None}
        super().__init__(type_, name, {**outputs, **inputs}, opts)


class Group(pulumi.ComponentResource):
    """A component."""

    def __init__(self, name: str, opts: ResourceOptions | None = None, type_: str = "testing:index:Group") -> None:
        super().__init__(type_, name, {}, opts)
        self.register_outputs({})
