"""The page at `/`: how the cluster is, and a prompt to try. Its files; what it shows it asks the API for, with a key.

The files are read once. Nothing of the cluster is in them, so no key is needed for them.
"""

from __future__ import annotations

import hashlib
import html
import json
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from novacron_serving.protocol import contract

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_CONTRACT = "{{contract}}"
"""In the HTML: the names and paths that the script asks for."""


def page_routes() -> list[Route]:
    """The page and what it loads."""
    folder = files(__name__)
    told = {key: contract()[key] for key in ("paths", "metrics")}
    page = (folder / "page.html").read_text("utf-8").replace(_CONTRACT, html.escape(json.dumps(told)))
    loaded = {"page.css": "text/css"} | dict.fromkeys(("common.js", "page.js", "playground.js"), "text/javascript")
    return [
        _route("/", page, "text/html"),
        *(_route(f"/page/{name}", (folder / name).read_text("utf-8"), kind) for name, kind in loaded.items()),
    ]


def _route(path: str, text: str, media_type: str) -> Route:
    content = text.encode()
    headers = {**_HEADERS, "etag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}

    async def give(request: Request) -> Response:
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, give, methods=["GET"])
