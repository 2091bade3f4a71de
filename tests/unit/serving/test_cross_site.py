"""Protection against pages of other sites: Host, Origin and Content-Type headers."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_serving.coordinator.http.cross_site import CrossSiteGuard
from novacron_serving.coordinator.http.request_body import require_json
from novacron_serving.errors import RequestError


def make_guard(**settings: Any) -> CrossSiteGuard:
    return CrossSiteGuard(
        **{"host": "127.0.0.1", "allowed_hosts": (), "cors_origins": (), "needs_key": False} | settings
    )


def refusal(
    guard: CrossSiteGuard, host: str | None, origin: str | None = None, local_address: str = "127.0.0.1"
) -> str | None:
    """Return the code of the guard's error, or None for a request that passes."""
    hosts = [] if host is None else [host.encode()]
    try:
        guard.check(hosts, None if origin is None else origin.encode(), local_address)
    except RequestError as error:
        return error.code if error.status == 403 else f"status {error.status}"
    return None


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "LOCALHOST:8080", "localhost.:8080", "127.0.0.1", "127.0.0.1:9", "[::1]",
     "[::1]:8080", None],
)  # fmt: skip
def test_loopback_names_are_accepted_without_keys(host: str | None) -> None:
    assert refusal(make_guard(), host) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "evil-localhost", "127.0.0.1.evil.example",
     "10.0.0.1:8080", "[::2]:8080", "", ":8080", "[", "xn--80ak6aa92e.example"],
)  # fmt: skip
def test_other_hosts_are_refused_without_keys(host: str) -> None:
    assert refusal(make_guard(), host) == "host_not_allowed"


def test_error_for_a_foreign_host_names_the_host_and_the_setting() -> None:
    with pytest.raises(RequestError, match=r"'evil\.example'.*allowed_hosts"):
        make_guard().check([b"evil.example:80"], None, None)


def test_every_host_header_is_checked() -> None:
    with pytest.raises(RequestError):
        make_guard().check([b"localhost", b"evil.example"], None, None)


def test_configured_names_and_the_listening_address_are_accepted() -> None:
    guard = make_guard(host="10.1.2.3", allowed_hosts=("Chat.Example.com", "*.internal.example"), needs_key=True)
    for host in ("chat.example.com", "chat.example.com:443", "a.internal.example", "a.b.internal.example", "10.1.2.3"):
        assert refusal(guard, host) is None
    for host in ("example.com", "internal.example", "evilinternal.example", "10.1.2.4"):
        assert refusal(guard, host) == "host_not_allowed"
    assert refusal(guard, "10.1.2.4:8080", local_address="10.1.2.4") is None, "a probe of this pod's address"


def test_hosts_are_not_checked_with_keys_unless_configured() -> None:
    assert not make_guard(needs_key=True).enabled
    assert refusal(make_guard(needs_key=True), "anything.example") is None
    assert refusal(make_guard(allowed_hosts=("*",)), "anything.example") is None
    assert make_guard().enabled


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8080", "localhost:8080"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://localhost", "localhost"),
        ("http://localhost", "localhost:80"),
        ("https://localhost", "localhost:443"),
        ("HTTP://LocalHost:8080", "localhost:8080"),
        (None, "localhost:8080"),
    ],
)
def test_requests_of_the_own_page_are_accepted(origin: str | None, host: str) -> None:
    assert refusal(make_guard(), host, origin) is None


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "https://evil.example", "http://localhost:3000", "http://localhost", "null", "",
     "file://", "http://localhost:8080.evil.example", "http://evil.example/localhost:8080", "localhost:8080"],
)  # fmt: skip
def test_pages_of_other_origins_are_refused_without_keys(origin: str) -> None:
    assert refusal(make_guard(), "localhost:8080", origin) == "origin_not_allowed"


def test_pages_of_cors_origins_are_accepted() -> None:
    guard = make_guard(cors_origins=("https://Chat.example.com",))
    assert refusal(guard, "localhost:8080", "https://chat.example.com") is None
    assert refusal(guard, "localhost:8080", "https://evil.example") == "origin_not_allowed"
    assert refusal(make_guard(cors_origins=("*",)), "localhost:8080", "https://evil.example") is None
    assert refusal(make_guard(cors_origins=("*",)), "evil.example") == "host_not_allowed"


def test_origins_are_not_checked_with_keys() -> None:
    guard = make_guard(needs_key=True, allowed_hosts=("chat.example.com",))
    assert refusal(guard, "chat.example.com", "https://evil.example") is None


@pytest.mark.parametrize(
    "content_type",
    [b"application/json", b"application/json; charset=utf-8", b"Application/JSON", b" application/json ;x=y"],
)
def test_json_media_type_is_accepted(content_type: bytes) -> None:
    require_json(content_type)


@pytest.mark.parametrize(
    "content_type",
    [b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x",
     b"text/plain; application/json", b"application/jsonp", b"application/json, text/plain", b"\xff"],
)  # fmt: skip
def test_other_media_types_are_415_and_the_error_names_the_header(content_type: bytes) -> None:
    with pytest.raises(RequestError, match="content-type: application/json") as caught:
        require_json(content_type)
    assert (caught.value.status, caught.value.code) == (415, "unsupported_media_type")
