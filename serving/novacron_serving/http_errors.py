"""Errors as answers in OpenAI's shape: the exception handlers that coordinator and worker share."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from novacron_serving.errors import RequestError


async def answer_error(request: Request, error: Exception) -> Response:
    """An error that says what its answer is."""
    del request
    assert isinstance(error, RequestError)  # noqa: S101 - registered for this class alone
    return JSONResponse(error.body(), error.status, error.headers)


async def answer_fault(request: Request, error: Exception) -> Response:
    """A mistake of ours, in OpenAI's shape; it is in the log."""
    del request, error
    body = RequestError(500, "the server has failed at this request", kind="server_error").body()
    return JSONResponse(body, 500)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """A wrong path or method, in OpenAI's shape."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    message = f"{request.method} {request.url.path}: {error.detail}"
    body = RequestError(error.status_code, message, kind="invalid_request_error").body()
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # starlette names the methods of one route, of several
        routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
        headers["allow"] = ", ".join(sorted({method for route in routes for method in route.methods or ()}))
    return JSONResponse(body, error.status_code, headers)
