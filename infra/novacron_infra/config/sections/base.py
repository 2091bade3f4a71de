"""What every section of a stack file is made of: the strict base class and the field types that sections share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=0, le=10_000)]
Instances = Annotated[int, Field(gt=0, le=10_000)]
Name = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Frozen, strict, and no key that nobody reads."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
