"""Property values as the engine holds them: plain Python data, and a few marked kinds.

`None`, `bool`, `float`/`int`, `str`, `list` and `dict[str, …]` are themselves. The classes below are for values that
plain data cannot express. `protocol/codec.py` encodes values for the wire, `state/codec.py` for state files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias, Union

SIGNATURE_KEY: Final = "4dabf18193072939515e22adb298388d"
"""The key that marks a wire or state object as one of the special kinds (Pulumi's `resource.SigKey`)."""

UNKNOWN_SENTINEL: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""An unknown value of any type on the wire."""

MASK: Final = "[secret]"
"""The text in place of a secret on display."""


class SignatureKind(str, Enum):
    """The values of `SIGNATURE_KEY`."""

    SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a protocol constant, not a secret
    OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
    RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
    ASSET = "c44067f5952c0a294b673a41bacd8c17"
    ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"


class Unknown(Enum):
    """The type of `UNKNOWN`: a value that is known only after an update."""

    UNKNOWN = 0

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is encrypted in the state and redacted on display. Never directly inside another secret."""

    value: Value

    def __repr__(self) -> str:
        return f"Secret({MASK})"


@dataclass(frozen=True, slots=True)
class Output:
    """A first-class output of the wire protocol: a value with its dependencies.

    `value` is `UNKNOWN` when it is not known yet. The state never holds outputs; `without_outputs` removes them.
    """

    value: Value
    secret: bool = False
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceReference:
    """A reference to a resource. `id` is `None` for components and `UNKNOWN` before creation."""

    urn: str
    id: str | Unknown | None = None
    package_version: str = ""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: exactly one of `text`, `path`, `uri` is set. `hash` is the SHA-256 of the content, in hex."""

    text: str | None = None
    path: str | None = None
    uri: str | None = None
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Archive:
    """Many files: exactly one of `assets`, `path`, `uri` is set. `hash` is Pulumi's archive hash, in hex."""

    assets: dict[str, Asset | Archive] | None = field(default=None)
    path: str | None = None
    uri: str | None = None
    hash: str = ""


Value: TypeAlias = Union[  # noqa: UP007 - the quoted names cannot be joined with | on Python 3.10
    bool,
    int,
    float,
    str,
    list["Value"],
    dict[str, "Value"],
    Unknown,
    Secret,
    Output,
    ResourceReference,
    Asset,
    Archive,
    None,
]
PropertyMap: TypeAlias = dict[str, Value]


def make_secret(value: Value) -> Secret:
    """Return the value as a secret; a secret as it is."""
    return value if isinstance(value, Secret) else Secret(value)


def plain_output(value: Output) -> Value:
    """Return an output without its dependencies: unknown, a secret or the value itself."""
    if value.value is UNKNOWN:
        return UNKNOWN
    return make_secret(value.value) if value.secret else value.value


def contains_unknown(value: Value) -> bool:
    """Return whether any part of a value is unknown."""
    if value is UNKNOWN:
        return True
    if isinstance(value, dict):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    if isinstance(value, (Secret, Output)):
        return contains_unknown(value.value)
    return False


def contains_secret(value: Value) -> bool:
    """Return whether any part of a value is secret."""
    if isinstance(value, Secret):
        return True
    if isinstance(value, Output):
        return value.secret or contains_secret(value.value)
    if isinstance(value, dict):
        return any(contains_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_secret(item) for item in value)
    return False


def output_dependencies(value: Value) -> set[str]:
    """Return the URNs that the outputs in a value depend on."""
    if isinstance(value, Output):
        return {*value.dependencies, *output_dependencies(value.value)}
    if isinstance(value, Secret):
        return output_dependencies(value.value)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {where for item in items for where in output_dependencies(item)}


def without_outputs(value: Value) -> Value:
    """Return the value with every first-class output replaced by its plain value, as the state holds it."""
    if isinstance(value, Output):
        return without_outputs(plain_output(value))
    if isinstance(value, dict):
        return {key: without_outputs(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_outputs(item) for item in value]
    if isinstance(value, Secret):
        return make_secret(without_outputs(value.value))
    return value


def without_secrets(value: Value) -> Value:
    """Return the value with every secret unwrapped."""
    if isinstance(value, Secret):
        return without_secrets(value.value)
    if isinstance(value, dict):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value
