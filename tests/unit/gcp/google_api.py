"""Google's discovery documents, as they ship in google-api-python-client: independent of the Pulumi SDK."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient

_DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"


@cache
def document(name: str) -> dict[str, Any]:
    """The document of an API and version, such as container.v1."""
    return json.loads((_DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))
