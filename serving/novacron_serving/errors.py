"""Errors of the serving stack."""

from __future__ import annotations

import math

from typing_extensions import TypedDict


class ErrorDetail(TypedDict):
    """What is wrong, and with which field."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(TypedDict):
    """An error, as OpenAI's clients understand it."""

    error: ErrorDetail


class ServingError(Exception):
    """Base of all errors here."""


class StartError(ServingError):
    """A process cannot start; the message is one line that says what to change."""


class RequestError(ServingError):
    """A request that is answered with an error in OpenAI's shape."""

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
        """Those that go with the status."""
        return {} if self.retry_after_s is None else {"retry-after": str(math.ceil(self.retry_after_s))}

    def body(self) -> ErrorBody:
        """The JSON that OpenAI's clients understand."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


def invalid(message: str, param: str | None = None, code: str | None = None) -> RequestError:
    """The client's mistake: 400."""
    return RequestError(400, message, kind="invalid_request_error", param=param, code=code)


def overloaded(message: str) -> RequestError:
    """Come back later: 503."""
    return RequestError(503, message, kind="server_error", code="overloaded")
