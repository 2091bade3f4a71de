"""The format of a KV transfer between workers: signed, and followed by the body of its request.

The signature covers the request, so that the cache of one prompt is never used for another. It also protects the decode
engine: its native code trusts the contents of a transfer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from array import array

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from novacron_serving.engines import KvTransfer
from novacron_serving.errors import RequestError
from novacron_serving.protocol import KV_TRANSFER_HEADER

_SIGNATURE_BYTES = hashlib.sha256().digest_size


class _Payload(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str
    """Base64 of 32-bit integers. A list of numbers takes too long to parse for a long prompt."""
    first_tokens: tuple[int, ...]
    context_request_id: int
    opaque_state: str | None
    """Base64."""
    draft_tokens: tuple[int, ...] | None
    cached_tokens: int


def sign_transfer(transfer: KvTransfer, request: bytes, token: str) -> bytes:
    """Serialise and sign a transfer.

    Args:
        transfer: the result of the prefill.
        request: the body of the request that it belongs to.
        token: the cluster's token, which is the key.
    """
    state = transfer.opaque_state
    payload = orjson.dumps(
        {
            "prompt": base64.b64encode(array("i", transfer.prompt).tobytes()).decode(),
            "first_tokens": transfer.first_tokens,
            "context_request_id": transfer.context_request_id,
            "opaque_state": None if state is None else base64.b64encode(state).decode(),
            "draft_tokens": transfer.draft_tokens,
            "cached_tokens": transfer.cached_tokens,
        }
    )
    return _signature(payload, request, token) + payload


def verify_transfer(body: bytes, length: str, token: str) -> tuple[KvTransfer, bytes]:
    """Split a body into its transfer and the request.

    Args:
        body: the transfer, followed by the request.
        length: bytes of the transfer, from the header.
        token: the cluster's token.

    Raises:
        RequestError: no worker of this cluster signed the transfer for this request, or it cannot be parsed.
    """
    size = int(length) if length.isascii() and length.isdigit() else 0
    signature, payload, request = body[:_SIGNATURE_BYTES], body[_SIGNATURE_BYTES:size], body[size:]
    if not hmac.compare_digest(signature, _signature(payload, request, token)):
        raise _error("the signature does not match this request and the cluster's token")
    try:
        fields = _Payload.model_validate_json(payload)
        prompt = array("i")
        prompt.frombytes(base64.b64decode(fields.prompt))
        opaque_state = None if fields.opaque_state is None else base64.b64decode(fields.opaque_state)
    except (ValidationError, ValueError) as error:  # a worker of another version made it
        raise _error("its format is unknown; run the same version on all workers") from error
    transfer = KvTransfer(
        prompt=tuple(prompt),
        first_tokens=fields.first_tokens,
        context_request_id=fields.context_request_id,
        opaque_state=opaque_state,
        draft_tokens=fields.draft_tokens,
        cached_tokens=fields.cached_tokens,
    )
    return transfer, request


def _signature(payload: bytes, request: bytes, token: str) -> bytes:
    return hmac.digest(token.encode(), b"kv-transfer %d\n" % len(payload) + payload + request, "sha256")


def _error(reason: str) -> RequestError:
    # 500 and not 400: one of the two workers is at fault, and the coordinator should try others.
    return RequestError(500, f"{KV_TRANSFER_HEADER}: {reason}", kind="server_error")
