"""Error responses of the coordinator's and the worker's ASGI applications, in the format of OpenAI's API."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from novacron_serving.errors import RequestError


def make_error_response(error: RequestError) -> Response:
    """Return the response for an error, in the format of OpenAI's API."""
    return JSONResponse(error.body(), error.status, error.headers)


async def handle_request_error(request: Request, error: Exception) -> Response:
    """Return the response of a `RequestError`."""
    del request
    assert isinstance(error, RequestError)  # noqa: S101 - registered for this class alone
    return make_error_response(error)


async def handle_server_error(request: Request, error: Exception) -> Response:
    """Return 500 for an unexpected error. Starlette logs its traceback."""
    del request, error
    return make_error_response(RequestError(500, "internal server error", kind="server_error"))


async def handle_http_error(request: Request, error: Exception) -> Response:
    """Return the response for an unknown path or method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    message = f"{request.method} {request.url.path}: {error.detail}"
    body = RequestError(error.status_code, message, kind="invalid_request_error").body()
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # Starlette names the methods of one route only
        routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
        headers["allow"] = ", ".join(sorted({method for route in routes for method in route.methods or ()}))
    return JSONResponse(body, error.status_code, headers)
