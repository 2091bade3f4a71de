"""Functions that a model may call, and response formats."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from novacron_serving.protocol.openai.strict import Strict

MAX_SCHEMA_DEPTH = 48
"""Maximum nesting of objects and lists in a schema."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def _shallow(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    level: list[Any] = [schema]
    for _ in range(MAX_SCHEMA_DEPTH):
        level = [
            item
            for value in level
            if isinstance(value, (dict, list))
            for item in (value.values() if isinstance(value, dict) else value)  # pyright: ignore[reportUnknownVariableType]
        ]
        if not level:
            return schema
    raise ValueError(f"must be nested at most {MAX_SCHEMA_DEPTH} levels deep; make it flatter")


class Function(Strict):
    """The description of a function."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """JSON schema of the arguments. None: the function has no arguments."""
    strict: bool = False
    """Enforce the schema of the arguments."""

    _parameters_are_shallow = field_validator("parameters")(_shallow)

    @property
    def schema_of_arguments(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return self.parameters or {"type": "object", "properties": {}, "additionalProperties": False}


class Tool(Strict):
    """A tool. Functions are the only kind."""

    type: Literal["function"]
    function: Function


class NamedFunction(Strict):
    """The name of a function."""

    name: Name


class NamedTool(Strict):
    """A function that must be called."""

    type: Literal["function"]
    function: NamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedTool


class TextFormat(Strict):
    """Plain text."""

    type: Literal["text"]


class JsonObjectFormat(Strict):
    """Any JSON object."""

    type: Literal["json_object"]


class SchemaFormat(Strict):
    """A named JSON schema."""

    name: Name
    description: str | None = None
    """Accepted without effect."""
    schema_: dict[str, Any] = Field(default={}, alias="schema")
    strict: bool = False
    """Without effect: the schema is always enforced."""

    _schema_is_shallow = field_validator("schema_")(_shallow)


class JsonSchemaFormat(Strict):
    """JSON that follows a schema."""

    type: Literal["json_schema"]
    json_schema: SchemaFormat


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]
