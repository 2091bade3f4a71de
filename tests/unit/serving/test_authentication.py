"""API keys and their rate limits."""

from __future__ import annotations

import hashlib
import tracemalloc
from typing import Any

import pytest
from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.limits.authentication import ApiKey, Authenticator
from novacron_serving.errors import RequestError


def authenticator_of(clock: ManualClock, **fields: Any) -> Authenticator:
    key = ApiKey(name="one", sha256=hashlib.sha256(b"sk").hexdigest(), **fields)
    return Authenticator([key], needs_key=True, clock=clock)


def test_request_limit_of_a_key_refills_evenly(clock: ManualClock) -> None:
    principal = authenticator_of(clock, requests_per_minute=60).authenticate(b"Bearer sk")
    for _ in range(60):
        principal.consume_request()
    with pytest.raises(RequestError, match="60 requests a minute") as refused:
        principal.consume_request()
    assert refused.value.status == 429
    assert refused.value.retry_after_s == pytest.approx(1.0)
    clock.advance(1.01)
    principal.consume_request()
    with pytest.raises(RequestError):
        principal.consume_request()


def test_token_limit_of_a_key_is_paid_back_before_the_next_request(clock: ManualClock) -> None:
    principal = authenticator_of(clock, tokens_per_minute=600).authenticate(b"Bearer sk")
    principal.consume_request()
    principal.consume_tokens(900)
    with pytest.raises(RequestError, match="600 tokens a minute"):
        principal.consume_request()
    clock.advance(30.2)
    principal.consume_request()


def test_only_the_exact_key_authenticates(clock: ManualClock) -> None:
    keys = authenticator_of(clock)
    assert keys.authenticate(b"Bearer sk").name == "one"
    assert keys.authenticate(b"bearer  sk").name == "one"
    for wrong in (None, b"", b"Bearer", b"Bearer s", b"Bearer skk", b"Basic sk", b"sk", b"Bearer \xff"):
        with pytest.raises(RequestError) as refused:
            keys.authenticate(wrong)
        assert refused.value.status == 401


def test_unchanged_key_keeps_its_rate_limit_when_keys_are_reloaded(clock: ManualClock) -> None:
    key = ApiKey(name="one", sha256=hashlib.sha256(b"sk").hexdigest(), requests_per_minute=1)
    keys = Authenticator([key], needs_key=True, clock=clock)
    keys.authenticate(b"Bearer sk").consume_request()
    keys.set_keys([key])
    with pytest.raises(RequestError, match="1 requests a minute"):
        keys.authenticate(b"Bearer sk").consume_request()
    keys.set_keys([key.model_copy(update={"requests_per_minute": 2})])
    keys.authenticate(b"Bearer sk").consume_request()


def test_spellings_of_an_authorization_header_do_not_fill_the_memory(clock: ManualClock) -> None:
    keys = authenticator_of(clock)
    tracemalloc.start()
    try:
        for spaces in range(1, 3000):
            assert keys.authenticate(b"Bearer " + b" " * (spaces * 10) + b"sk").name == "one"
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 2**20
