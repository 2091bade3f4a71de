"""Bodies of requests: reads those of the management API, parses those of the hot path, and checks both media types."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson
from pydantic import BaseModel
from starlette.requests import Request

from novacron_serving.errors import RequestError, invalid
from novacron_serving.server import parse_as, parse_json, read_bytes

MAX_ADMIN_BODY_BYTES = 4096
"""Limit for the bodies of the management API."""
JSON_MEDIA_TYPE = b"application/json"

Schema = TypeVar("Schema", bound=BaseModel)


async def read_body(request: Request, schema: type[Schema], *, status: int, optional: bool = False) -> Schema:
    """Return the JSON body of a request to the management API.

    Args:
        request: the request.
        schema: the type of the body.
        status: status of the response to JSON that does not fit the schema.
        optional: whether an empty body stands for an empty object.

    Raises:
        RequestError: 413 for a body that is too large, 415 for another media type, 400 for invalid JSON.
    """
    body = await read_bytes(request.stream(), MAX_ADMIN_BODY_BYTES, request.headers.get("content-length"))
    if optional and not body:
        return parse_as(schema, {}, status)
    require_json(request.headers.get("content-type", "").encode("latin-1"))
    return parse_as(schema, parse_json(body), status)


def require_json(content_type: bytes) -> None:
    """Check the `content-type` header of a request.

    A browser sends other media types for a page of another site without asking the coordinator first (CORS preflight).

    Raises:
        RequestError: 415, the media type is not JSON.
    """
    if content_type == JSON_MEDIA_TYPE or content_type.partition(b";")[0].strip().lower() == JSON_MEDIA_TYPE:
        return
    given = f"is {content_type.decode('latin-1')!r}" if content_type else "is missing"
    raise RequestError(
        415,
        f"the header content-type {given}; send `content-type: application/json`",
        kind="invalid_request_error",
        code="unsupported_media_type",
    )


def parse_object(body: bytes | bytearray) -> dict[str, Any]:
    """Return the body of a request on the hot path, which is parsed once.

    Raises:
        RequestError: 400, the body is not a JSON object.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"the body is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise invalid("the body is not a JSON object")
    return content
