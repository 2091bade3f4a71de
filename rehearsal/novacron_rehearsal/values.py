"""Property values as the engine holds them: plain Python data, and a few marked kinds.

`None`, `bool`, `float`/`int`, `str`, `list` and `dict[str, …]` stand for themselves. The classes below stand for what
plain data cannot say. The codecs to the wire (protobuf `Struct`) and to the state file are in `codec.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias, Union

SIGNATURE_KEY: Final = "4dabf18193072939515e22adb298388d"
"""The key that marks a wire or state object as one of the special kinds (Pulumi's `resource.SigKey`)."""

UNKNOWN_SENTINEL: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How an unknown of any type is written on the wire."""


class SignatureKind(str, Enum):
    """The values that stand behind `SIGNATURE_KEY`."""

    SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a protocol constant, not a secret
    OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
    RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
    ASSET = "c44067f5952c0a294b673a41bacd8c17"
    ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"


class Unknown(Enum):
    """The type of `UNKNOWN`: a value that only the update itself can tell."""

    UNKNOWN = 0

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is encrypted in the state and redacted wherever it is shown. Never nested directly in another."""

    value: Value

    def __repr__(self) -> str:
        return "Secret([secret])"


@dataclass(frozen=True, slots=True)
class Output:
    """A first-class output of the wire protocol: a value with what it depends on.

    `value` is `UNKNOWN` when it is not known yet. Never written to the state: `codec.py` folds it into plain values.
    """

    value: Value
    secret: bool = False
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceReference:
    """A reference to a resource, as a value. `id` is `None` for components, `UNKNOWN` before creation."""

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
