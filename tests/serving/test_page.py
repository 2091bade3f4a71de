"""The coordinator's page in a real browser, with real workers, and with scripted ones that misbehave."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.polling import wait_until

from .browser import Browser, needs_chromium
from .gateway import Gateway
from .stack import HTTP, MODEL, Stack

pytestmark = pytest.mark.xdist_group("serving")

ROOT = Path(__file__).parents[2]
FILES = ("page/page.css", "page/common.js", "page/page.js", "page/playground.js")
LATEST = "#talk > :last-child"


@pytest.fixture(scope="module")
def one_browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


@pytest.fixture
def browser(one_browser: Browser) -> Browser:
    one_browser.new_tab()
    one_browser.size(1280, 860)
    return one_browser


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A coordinator with API keys and a scripted worker."""
    made = Gateway(tmp_path_factory.mktemp("page"))
    try:
        made.start_workers("a")
        yield made
    finally:
        made.stop()


def enter_key(browser: Browser, key: str) -> None:
    browser.fill("#key", key)
    browser.press("Enter")


def ask(browser: Browser, prompt: str | dict[str, Any]) -> None:
    browser.fill("#prompt", prompt if isinstance(prompt, str) else json.dumps(prompt))
    browser.press("Enter")


def with_key(browser: Browser, gateway: Gateway) -> None:
    browser.open(gateway.url)
    browser.wait_for("#key-message", "needs an API key")
    enter_key(browser, "sk-user")
    browser.wait_for("#workers", "active")


def test_page_files_have_a_strict_content_security_policy_and_an_etag(stack: Stack) -> None:
    for path in ("", *FILES):
        answer = HTTP.get(f"{stack.url}/{path}")
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (answer.headers["x-content-type-options"], answer.headers["referrer-policy"]) == (
            "nosniff",
            "no-referrer",
        )
        again = HTTP.get(f"{stack.url}/{path}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert HTTP.head(stack.url).status_code == 200
    assert HTTP.post(stack.url).status_code == 405


def test_wheel_contains_the_page_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT / "serving", check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    folder = "novacron_serving/coordinator/api"
    assert {f"{folder}/{name}" for name in ("page/page.html", *FILES)} <= set(zipfile.ZipFile(wheel).namelist())


@needs_chromium
def test_page_shows_the_cluster_and_streams_a_conversation(stack: Stack, browser: Browser) -> None:
    browser.open(stack.url)
    browser.wait_for("#state", "Ready")
    browser.wait_for("#workers", "worker-0")
    browser.wait_for("#workers", "active")
    browser.wait_for("#models", MODEL)
    assert browser.do("document.querySelector('#key-panel').hidden")
    ask(browser, "What is a GPU?")
    browser.wait_for(f"{LATEST} .summary", "tokens/s")
    assert "A GPU is" in browser.text(f"{LATEST} .text")
    assert "first token after" in browser.text(f"{LATEST} .summary")
    ask(browser, "And why is it fast?")
    browser.wait_for("#talk > :nth-child(4) .summary", "tokens")
    browser.wait_for("#first-50", "ms")
    browser.do("document.querySelector('#max-tokens').value = '2'")
    ask(browser, "What is a GPU?")
    browser.wait_for("#talk > :nth-child(6) .summary", "stopped at max tokens")
    assert browser.complaints == []


@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
def test_page_fits_a_narrow_window(stack: Stack, browser: Browser, dark: bool) -> None:
    browser.size(380, 800, dark=dark)
    browser.open(stack.url)
    browser.wait_for("#workers", "active")
    assert browser.do("document.documentElement.scrollWidth") <= 380
    ground = browser.do("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark


@needs_chromium
def test_page_shows_the_error_message_of_the_api(stack: Stack, browser: Browser) -> None:
    browser.open(stack.url)
    browser.wait_for("#workers", "active")
    long = "What is a GPU? " * 2000
    ask(browser, long)
    browser.wait_for(f"{LATEST} .failure", "context")
    assert browser.do("document.querySelector('#prompt').value") == long, "the prompt can be edited and sent again"


@needs_chromium
def test_page_follows_workers_and_restarts_of_the_coordinator(fresh_stack: Stack, browser: Browser) -> None:
    fresh_stack.start_coordinator()
    browser.open(fresh_stack.url)
    browser.wait_for("#state", "Not ready")
    browser.wait_for("#notes", "0 of at least 1 workers")
    fresh_stack.start_workers("worker-0", "worker-1")
    browser.wait_for("#workers-count", "2 of 2 active")
    assert browser.text("#state") == "Ready"
    fresh_stack.workers["worker-1"].kill()
    browser.wait_for("#workers-count", "1 of")
    coordinator = fresh_stack.coordinator
    assert coordinator is not None
    coordinator.terminate()
    coordinator.wait(30)
    browser.wait_for("#state", "No response")
    browser.wait_for("#notes", "Last seen")
    fresh_stack.start_coordinator()
    browser.wait_for("#state", "Ready")


@needs_chromium
def test_page_asks_for_an_api_key_when_clients_need_one(gateway: Gateway, browser: Browser) -> None:
    browser.open(gateway.url)
    browser.wait_for("#key-message", "needs an API key")
    assert browser.do("document.activeElement.id") == "key"
    assert browser.text("#workers tbody") == ""
    enter_key(browser, "sk-wrong")
    browser.wait_for("#key-message", "unknown API key")
    enter_key(browser, "sk-user")
    browser.wait_for("#workers", "active")
    assert browser.do("document.querySelector('#key-panel').hidden")
    assert browser.do("[Object.values(sessionStorage), localStorage.length, document.cookie]") == [["sk-user"], 0, ""]
    ask(browser, {"*": {"chunks": 3}})
    browser.wait_for(f"{LATEST} .text", "a a a")
    browser.click("#key-open")
    browser.click("#key-forget")
    browser.wait_for("#key-message", "needs an API key")
    assert browser.text("#workers tbody") == ""


@needs_chromium
@pytest.mark.parametrize("how", ["button", "Escape"])
def test_stop_aborts_the_generation(gateway: Gateway, browser: Browser, how: str) -> None:
    with_key(browser, gateway)
    before = gateway.seen("a")["aborted"]
    ask(browser, {"*": {"chunks": 1000, "every_s": 0.05}})
    browser.wait_for(f"{LATEST} .text", "a a a")
    if how == "button":
        browser.click("#stop")
    else:
        browser.press(how)
    browser.wait_for(f"{LATEST} .summary", "stopped")
    wait_until(lambda: gateway.seen("a")["aborted"] == before + 1, "the worker aborts the request")
    assert browser.do("document.querySelector('#stop').hidden && !document.querySelector('#send').hidden")


@needs_chromium
def test_answer_is_shown_as_text_not_as_html(gateway: Gateway, browser: Browser) -> None:
    with_key(browser, gateway)
    browser.complaints.clear()
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    ask(browser, {"*": {"chunks": 1, "text": evil}})
    browser.wait_for(f"{LATEST} .text", evil)
    assert browser.do("document.querySelectorAll('#talk img, #talk script').length") == 0
    assert "owned" not in browser.do("document.title")
    assert browser.complaints == []


@needs_chromium
def test_page_reports_an_incomplete_answer(gateway: Gateway, browser: Browser) -> None:
    with_key(browser, gateway)
    gateway.start_workers("b")
    try:
        ask(browser, {"*": {"die": "middle"}})
        browser.wait_for(f"{LATEST} .failure", "the worker failed during the response")
        assert browser.text(f"{LATEST} .text").strip() != ""
        wait_until(lambda: any(one.poll() is not None for one in gateway.workers.values()), "a worker has died")
    finally:
        if gateway.workers["a"].poll() is not None:
            gateway.start_workers("a")
