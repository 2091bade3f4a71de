"""Errors of the serving stack."""

from __future__ import annotations

import math

from typing_extensions import TypedDict


class ErrorDetail(TypedDict):
    """The content of an error, in the format of OpenAI's API."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(TypedDict):
    """The body of an error response, in the format of OpenAI's API."""

    error: ErrorDetail


class ServingError(Exception):
    """Base class of all errors of the serving stack."""


class StartError(ServingError):
    """A process cannot start. The message is one line with what is wrong and how to fix it."""


class RequestError(ServingError):
    """A request that gets an error response in the format of OpenAI's API."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.param = param
        self.code = code
        self.retry_after_s = 1.0 if retry_after_s is None and status in (429, 503) else retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """The response headers that belong to the status."""
        return {} if self.retry_after_s is None else {"retry-after": str(math.ceil(self.retry_after_s))}

    def body(self) -> ErrorBody:
        """Return the response body."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


def one_line(error: BaseException) -> str:
    """Return the text of another library's error as one line of at most 500 characters, or its type if it has none."""
    return " ".join(str(error).split())[:500] or type(error).__name__


def invalid(message: str, param: str | None = None, code: str | None = None) -> RequestError:
    """Return a client error: 400."""
    return RequestError(400, message, kind="invalid_request_error", param=param, code=code)


def body_too_large(limit_bytes: int) -> RequestError:
    """Return the error for a body above the limit: 413."""
    return RequestError(413, f"the body is larger than {limit_bytes} bytes", kind="invalid_request_error")


def too_deeply_nested() -> RequestError:
    """Return the error for JSON that orjson can parse but not serialize again, which it limits to 254 levels: 400."""
    return invalid("the body is nested too deeply; use at most 250 levels")


def overloaded(message: str) -> RequestError:
    """Return an error that asks the client to try again later: 503."""
    return RequestError(503, message, kind="server_error", code="overloaded")
