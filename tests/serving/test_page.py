"""The page in a real browser: what it shows of real processes, a chat that streams, keys, and that text stays text."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from .conftest import MODEL, Stack, answers, start, wait_until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.xdist_group("serving"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH"),
]
KEY = "of-the-administrator"
OpenPage = Callable[[str], Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # In a container there is nothing for its sandbox to stand on.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens an address; nothing on the page may have complained in the end, nor been kept from running."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900})

    def told(message: ConsoleMessage) -> None:
        # The browser's own word for an answer that is an error, or does not come.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def opened(url: str) -> Page:
        page = context.new_page()
        page.on("console", told)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    yield opened
    context.close()
    assert complaints == []


class WithKeys(Stack):
    """Needs a key."""

    def start_coordinator(self) -> None:
        config = {"http_port": self.http_port, "grpc_port": self.grpc_port, "report_interval_s": 0.2}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NOVACRON_ADMIN_KEY", KEY)
            self.coordinator = start("coordinator", config, self.folder)
        wait_until(lambda: answers(f"{self.url}/health"), "the coordinator lives")


def send(page: Page, text: str) -> Any:
    """The answer's turn."""
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send").click()
    return page.locator(".turn.assistant").last


def test_what_runs_is_shown_and_a_chat_streams(stack: Stack, open_page: OpenPage) -> None:
    page = open_page(stack.url)
    expect(page.get_by_role("status").first).to_have_text("Ready")
    expect(page.locator("#workers tbody tr")).to_contain_text(["worker-0"])
    expect(page.locator("#workers tbody tr")).to_contain_text(["active"])
    expect(page.locator("#models tbody tr")).to_contain_text([MODEL])
    page.get_by_label("Temperature").fill("0")
    answer = send(page, "What is a GPU?")
    expect(answer.locator(".said")).to_contain_text("GPU")
    expect(answer.locator(".told")).to_contain_text("tokens")
    expect(answer.locator(".told")).to_contain_text("first token after")
    # The second question goes on from the first answer.
    expect(send(page, "What is a GPU?").locator(".told")).to_contain_text("of them cached")
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".turn")).to_have_count(0)


def test_an_answer_is_stopped_and_an_error_is_told(stack: Stack, open_page: OpenPage) -> None:
    page = open_page(stack.url)
    page.route("**/v1/chat/completions", lambda route: route.continue_(
        post_data={**route.request.post_data_json, "ignore_eos": True}
    ))  # fmt: skip
    page.get_by_label("Max tokens").fill("490")
    answer = send(page, "Tell me a story.")
    expect(answer.locator(".said")).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()
    expect(answer.locator(".told")).to_contain_text("stopped")
    page.get_by_label("Max tokens").fill("")
    refused = send(page, "hello " * 600)
    expect(refused.locator(".failure")).to_contain_text("do not fit the context of 512")
    expect(page.get_by_label("Message")).to_have_value("hello " * 600)


def test_text_of_a_model_stays_text_and_a_cut_stream_is_told(stack: Stack, open_page: OpenPage) -> None:
    page = open_page(stack.url)
    attack = "<img src=x onerror=document.title='taken'><b>bold</b>"
    chunk = {"choices": [{"index": 0, "delta": {"content": attack}, "finish_reason": None}]}
    page.route("**/v1/chat/completions", lambda route: route.fulfill(
        content_type="text/event-stream", body=f"data: {httpx.Response(200, json=chunk).text}\n\n"
    ))  # fmt: skip
    answer = send(page, "Hello")
    expect(answer.locator(".said")).to_have_text(attack)
    expect(answer.locator(".failure")).to_contain_text("ended without [DONE]")
    assert "taken" not in page.title()


def test_workers_and_the_coordinator_come_and_go(fresh_stack: Stack, open_page: OpenPage) -> None:
    fresh_stack.start_coordinator()
    page = open_page(fresh_stack.url)
    expect(page.get_by_role("status").first).to_have_text("Not ready")
    expect(page.locator("#notes")).to_contain_text("0 of at least 1 workers are active")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    fresh_stack.start_workers("first")
    expect(page.get_by_role("status").first).to_have_text("Ready")
    expect(page.locator("#workers tbody tr")).to_contain_text(["first"])
    fresh_stack.workers["first"].kill()
    expect(page.locator("#workers tbody tr")).to_contain_text(["lost"], timeout=20_000)
    fresh_stack.stop()
    expect(page.get_by_role("status").first).to_have_text("No answer", timeout=15_000)
    expect(page.locator("#notes")).to_contain_text("Last seen")


def test_a_key_is_asked_for_where_keys_are(tmp_path: Any, open_page: OpenPage) -> None:
    stack = WithKeys(tmp_path)
    try:
        stack.start_coordinator()
        stack.start_workers("first")
        page = open_page(stack.url)
        expect(page.locator("#key-told")).to_have_text("This coordinator asks for an API key.")
        expect(page.locator("#workers-none")).to_have_text("Enter an API key to see them.")
        page.get_by_label("API key").fill("wrong")
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#key-told")).not_to_have_text("This coordinator asks for an API key.")
        page.get_by_label("API key").fill(KEY)
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#workers tbody tr")).to_contain_text(["first"])
        expect(page.get_by_label("API key")).to_be_hidden()
        expect(send(page, "Hello").locator(".told")).to_contain_text("tokens")
        page.reload()
        expect(page.locator("#workers tbody tr")).to_contain_text(["first"])
        assert page.evaluate("localStorage.length") == 0
    finally:
        stack.stop()


def test_its_files_are_cached_and_nothing_else_may_run_in_it(stack: Stack) -> None:
    page = httpx.get(stack.url, timeout=10)
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    for path in ("/", "/page/page.css", "/page/page.js"):
        tag = httpx.get(stack.url + path, timeout=10).headers["etag"]
        assert httpx.get(stack.url + path, headers={"if-none-match": tag}, timeout=10).status_code == 304
    for text in ("http://", "https://", "<style", "onclick="):
        assert text not in page.text.replace("xmlns='http://www.w3.org/2000/svg'", "")
