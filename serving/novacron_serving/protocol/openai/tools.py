"""Functions that a model may call, and the forms that an answer may be held to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from novacron_serving.protocol.openai.strict import Strict

MAX_SCHEMA_DEPTH = 48
"""Of nested objects and lists in a schema."""
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
    raise ValueError(f"it is nested more than {MAX_SCHEMA_DEPTH} deep; make it flatter")


class Function(Strict):
    """A function, described for the model."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A JSON schema; without one, the function takes nothing."""
    strict: bool = False
    """Arguments must fit the schema, whatever the model would rather write."""

    _parameters_are_shallow = field_validator("parameters")(_shallow)

    @property
    def schema_of_arguments(self) -> dict[str, Any]:
        """What arguments have to be."""
        return self.parameters or {"type": "object", "properties": {}, "additionalProperties": False}


class Tool(Strict):
    """Something that the model may use; functions are all there is."""

    type: Literal["function"]
    function: Function


class NamedFunction(Strict):
    """The name alone."""

    name: Name


class NamedTool(Strict):
    """The function that has to be called."""

    type: Literal["function"]
    function: NamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedTool


class TextFormat(Strict):
    """No form."""

    type: Literal["text"]


class JsonObjectFormat(Strict):
    """Some JSON object."""

    type: Literal["json_object"]


class SchemaFormat(Strict):
    """A schema with its name."""

    name: Name
    description: str | None = None
    """Accepted, and not shown to the model."""
    schema_: dict[str, Any] = Field(default={}, alias="schema")
    strict: bool = False
    """Without effect: answers are held to the schema in any case."""

    _schema_is_shallow = field_validator("schema_")(_shallow)


class JsonSchemaFormat(Strict):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    json_schema: SchemaFormat


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]
