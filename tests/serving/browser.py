"""A real Chromium, controlled through its DevTools protocol over pipes, without a driver or a port."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.polling import wait_until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on PATH: apt-get install chromium")


class Browser:
    """One tab at a time. `complaints` are the errors in its console, including violations of the security policy."""

    def __init__(self) -> None:
        assert CHROMIUM is not None
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs, self._out = os.pipe()
        self._in, written = os.pipe()

        def pipes() -> None:  # Chromium reads from descriptor 3 and writes to 4
            read, write = os.dup(theirs), os.dup(written)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self._process = subprocess.Popen(
            [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                f"--user-data-dir={self._folder.name}", "about:blank",
            ],
            preexec_fn=pipes,  # noqa: PLW1509 - it makes system calls and takes no lock
            close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs)
        os.close(written)
        self._rest = b""
        self._id = 0
        self._session: str | None = None
        self.complaints: list[str] = []

    def new_tab(self) -> None:
        """Switch to a new tab with empty session storage."""
        self._session = None
        self.complaints.clear()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._id += 1
        request: dict[str, Any] = {"id": self._id, "method": method, "params": parameters}
        if self._session is not None:
            request["sessionId"] = self._session
        os.write(self._out, json.dumps(request).encode() + b"\0")
        while True:
            response = self._read()
            if response.get("id") == self._id:
                assert "error" not in response, response
                return response["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            got = os.read(self._in, 2**16)
            assert got, "the browser has stopped"
            self._rest += got
        message, _, self._rest = self._rest.partition(b"\0")
        response = json.loads(message)
        event = response.get("params", {})
        if response.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(event["exceptionDetails"]))
        elif response.get("method") == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{event['entry']['text']} {event['entry'].get('url')}")
        return response

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        wait_until(lambda: self.do("document.readyState") == "complete", "the page is loaded")

    def do(self, script: str) -> Any:
        """Evaluate an expression in the page and return its value."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def text(self, selector: str) -> str:
        """Return the visible text of an element; empty if there is no such element."""
        return self.do(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def wait_for(self, selector: str, text: str, limit_s: float = 20) -> None:
        def there() -> bool:
            return text in self.text(selector)

        try:
            wait_until(there, text, limit_s)
        except AssertionError:
            raise AssertionError(f"{selector} has no {text!r}, but {self.text(selector)!r}") from None

    def fill(self, selector: str, text: str) -> None:
        """Replace the content of a field by typing."""
        self.do(f"document.querySelector({json.dumps(selector)}).focus()")
        self.do(f"document.querySelector({json.dumps(selector)}).select()")
        self.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        code, text = {"Enter": (13, "\r"), "Escape": (27, "")}[key]
        for kind, typed in (("keyDown", text), ("keyUp", "")):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=typed)

    def click(self, selector: str) -> None:
        """Click the place where an element is displayed. An element that covers it gets the click."""
        self.do(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        box = self.do(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()
