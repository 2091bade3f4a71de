"""Reads request bodies of the management API, and checks the media type of all requests with a body."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from novacron_serving.errors import RequestError
from novacron_serving.server import parse_as, read_json

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
    if optional and not await request.body():
        return parse_as(schema, {}, status)
    require_json(request.headers.get("content-type", "").encode("latin-1"))
    content = await read_json(request.body, MAX_ADMIN_BODY_BYTES, request.headers.get("content-length"))
    return parse_as(schema, content, status)


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
