"""The provider that is part of the engine: stack references."""

from __future__ import annotations

from collections.abc import Callable

from novacron_rehearsal.errors import NotSupportedError, ProviderError
from novacron_rehearsal.providers.client import CheckFailure, DiffResult, ProviderResponse
from novacron_rehearsal.providers.in_process import InProcessProvider
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.values import PropertyMap, contains_secret, without_secrets

BUILTIN_PACKAGE = "pulumi"
STACK_REFERENCE = "pulumi:pulumi:StackReference"

OutputsOf = Callable[[str], PropertyMap]
"""Returns the outputs of another stack by its name; raises `RehearsalError` when there is no such stack."""


class BuiltinProvider(InProcessProvider):
    """Package `pulumi`."""

    def __init__(self, outputs_of: OutputsOf) -> None:
        self._outputs_of = outputs_of

    async def check(
        self, urn: str, olds: PropertyMap, news: PropertyMap, seed: bytes
    ) -> tuple[PropertyMap, list[CheckFailure]]:
        """Check that a stack reference has the name of a stack."""
        del olds, seed
        if f"{STACK_REFERENCE}::" not in urn:
            raise NotSupportedError(f"the built-in resource {urn}")
        if not news.get("name"):
            return news, [CheckFailure("name", "the name of the stack to read is missing")]
        return news, []

    async def diff(self, old: ResourceState, news: PropertyMap, ignore_changes: list[str]) -> DiffResult:
        """Replace the reference when the name changes."""
        del ignore_changes
        changed = old.inputs.get("name") != news.get("name")
        return DiffResult(changes=changed, replaces=["name"] if changed else [])

    async def create(self, urn: str, inputs: PropertyMap, timeout_s: float, *, preview: bool) -> ProviderResponse:
        """Read the outputs of the stack."""
        del urn, timeout_s, preview
        return self._read(inputs)

    async def read(self, urn: str, id_: str, inputs: PropertyMap, state: PropertyMap) -> ProviderResponse:
        """Read the outputs of the stack again."""
        del urn, state
        return self._read(inputs or {"name": id_})

    def _read(self, inputs: PropertyMap) -> ProviderResponse:
        name = without_secrets(inputs["name"])
        if not isinstance(name, str):
            raise ProviderError(f"stack reference {name!r}: the name must be text that is known")
        outputs = self._outputs_of(name)
        secret_names = sorted(key for key, value in outputs.items() if contains_secret(value))
        return ProviderResponse(
            id=name,
            outputs={"name": name, "outputs": outputs, "secretOutputNames": [*secret_names]},
            inputs={"name": name},
        )

    async def update(
        self, old: ResourceState, news: PropertyMap, timeout_s: float, ignore_changes: list[str], *, preview: bool
    ) -> ProviderResponse:
        """Read the outputs of the stack. Never called: another name replaces the reference."""
        del old, timeout_s, ignore_changes, preview
        return self._read(news)

    async def invoke(self, token: str, arguments: PropertyMap) -> tuple[PropertyMap, list[CheckFailure]]:
        """Call `readStackOutputs`, the only function that programs use."""
        if token == "pulumi:pulumi:readStackOutputs":  # noqa: S105 - a function's name
            name = str(arguments.get("name"))
            return {"name": name, "outputs": self._outputs_of(name)}, []
        raise NotSupportedError(f"the built-in function {token}")
