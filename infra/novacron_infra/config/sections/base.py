"""The base class and the field types of all sections of a stack file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

from novacron_infra.shown_values import show_value

Fraction = Annotated[float, Field(ge=0, le=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=0, le=10_000)]
Instances = Annotated[int, Field(ge=1, le=10_000)]
Name = Annotated[str, Field(min_length=1)]
ContainerPort = Annotated[int, Field(ge=1024, le=65535)]
"""A port of a pod. Pods run without root, who alone may listen on lower ports."""
Cpus = Annotated[float, Field(ge=0.001)]
"""CPUs of a container. Kubernetes counts thousandths."""
Gib = Annotated[float, Field(ge=0.001)]
"""GiB of a container or a volume, at least about 1 MiB."""


def broken_rule(rule: str, fix: str) -> PydanticCustomError:
    """Return the error for a validator to raise: the rule as a clause, and the fix as whole sentences."""
    return PydanticCustomError("broken_rule", "{rule}", {"rule": rule, "fix": fix})


@dataclass(frozen=True)
class TextPattern:
    """How a text is written. As metadata of a text field it validates the field and reports the rule in words."""

    pattern: str
    """A regular expression that the whole text matches."""
    rule: str
    """The pattern in words, as a clause."""
    example: str
    """A text that matches."""

    def matches(self, text: str) -> bool:
        """Return whether `text` matches."""
        return re.fullmatch(self.pattern, text) is not None

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"pattern": f"^{self.pattern}$", "examples": [self.example]}

    def _validate(self, text: str) -> str:
        if not self.matches(text):
            meant = next((item for item in (text.strip(), text.strip().lower()) if self.matches(item)), None)
            raise broken_rule(
                self.rule, f"Write it as {show_value(meant)}" if meant else f"Write it like {self.example}"
            )
        return text


EmailAddress = Annotated[
    str,
    TextPattern(r"[^\s@;,]+@[^\s@;,]+\.[^\s@;,.]+", "an email address has one @ and a domain", "security@example.com"),
]
ObjectName = Annotated[
    str,
    TextPattern(
        r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*",
        "a name in Kubernetes has lower-case letters, digits, hyphens and dots, with a letter or digit at both ends",
        "fast-ssd",
    ),
]
"""Name of an object in Kubernetes."""
LabelKey = Annotated[
    str,
    TextPattern(
        r"(?=[^/]*/|[^/]{1,63}$)([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?",
        "the key of a label is a name of 63 letters, digits, -, _ and dots, which may follow a domain and a slash",
        "node.example.com/pool",
    ),
]
LabelValue = Annotated[
    str,
    TextPattern(
        r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?",
        "the value of a label has 1 to 63 letters, digits, -, _ and dots, with a letter or digit at both ends",
        "gpu",
    ),
]


def check_port(url: str) -> str:
    """Return a URL. Raises PydanticCustomError if its port is not one."""
    try:
        port = urlsplit(url).port
    except ValueError:
        port = 0
    if port == 0:
        raise broken_rule("its port is not a number from 1 to 65535", "Leave the port out, or correct it")
    return url


def _expand_home(path: Path) -> Path:
    if path == Path():
        raise broken_rule("it must not be empty", "Write the path of a file or folder, or remove the key")
    try:
        return path.expanduser()
    except RuntimeError as error:
        rule = f"{path.parts[0]} has no home folder on this machine"
        raise broken_rule(rule, "Write the whole path") from error


HomePath = Annotated[Path, AfterValidator(_expand_home)]
"""A path on this machine, in which `~` and `~user` are replaced by the home folder."""


class Section(BaseModel):
    """Base class of the sections: frozen, strict about types, and without unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
