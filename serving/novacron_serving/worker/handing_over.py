"""A hand-over between two workers, as it goes through the coordinator: sealed, and before the request that it is for.

The seal binds it to this very request, so that nobody's prompt is answered with another's cache; and what it says goes
to an engine's native code, which takes it as it is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from array import array

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from novacron_serving.engines import HandOver
from novacron_serving.errors import RequestError
from novacron_serving.protocol import HAND_OVER

_SEAL_BYTES = hashlib.sha256().digest_size


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str
    """Base64 of 32 bits a token: a long one is a list of numbers that takes long to read."""
    first_tokens: tuple[int, ...]
    context_request_id: int
    opaque_state: str | None
    """Base64."""
    draft_tokens: tuple[int, ...] | None
    cached_tokens: int


def seal(hand_over: HandOver, request: bytes, token: str) -> bytes:
    """What is sent. Args: `request`: the body that it is for; `token`: the cluster's."""
    told = orjson.dumps(
        {
            "prompt": base64.b64encode(array("i", hand_over.prompt).tobytes()).decode(),
            "first_tokens": hand_over.first_tokens,
            "context_request_id": hand_over.context_request_id,
            "opaque_state": None
            if hand_over.opaque_state is None
            else base64.b64encode(hand_over.opaque_state).decode(),
            "draft_tokens": hand_over.draft_tokens,
            "cached_tokens": hand_over.cached_tokens,
        }
    )
    return _seal(told, request, token) + told


def unseal(body: bytes, length: str, token: str) -> tuple[HandOver, bytes]:
    """A body's two parts. Raises `RequestError` for what no worker of this cluster sealed for this request."""
    size = int(length) if length.isascii() and length.isdigit() else 0
    seal_, told, request = body[:_SEAL_BYTES], body[_SEAL_BYTES:size], body[size:]
    if not hmac.compare_digest(seal_, _seal(told, request, token)):
        raise _refused("it was not sealed for this request by a worker of this cluster")
    try:
        read = _Told.model_validate_json(told)
        prompt = array("i")
        prompt.frombytes(base64.b64decode(read.prompt))
        opaque_state = None if read.opaque_state is None else base64.b64decode(read.opaque_state)
    except (ValidationError, ValueError) as error:  # of a worker of another version
        raise _refused("it is not understood") from error
    hand_over = HandOver(
        prompt=tuple(prompt),
        first_tokens=read.first_tokens,
        context_request_id=read.context_request_id,
        opaque_state=opaque_state,
        draft_tokens=read.draft_tokens,
        cached_tokens=read.cached_tokens,
    )
    return hand_over, request


def _seal(told: bytes, request: bytes, token: str) -> bytes:
    return hmac.digest(token.encode(), b"hand-over %d\n" % len(told) + told + request, "sha256")


def _refused(why: str) -> RequestError:
    # 500: to the coordinator a fault of this worker's or the one before, so that it asks others.
    return RequestError(500, f"{HAND_OVER}: {why}", kind="server_error")
