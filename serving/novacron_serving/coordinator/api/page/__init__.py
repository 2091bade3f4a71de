"""The page at `/`: cluster status and a playground.

This module serves the page's files, which contain no data of the cluster and need no key. The page itself requests its
data from the API, with the user's key.
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
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_CONTRACT = "{{contract}}"
"""Placeholder in the HTML for the paths and metric names that the script needs."""


def page_routes() -> list[Route]:
    """Return the routes of the page and of the files that it loads."""
    folder = files(__name__)
    shared = {key: contract()[key] for key in ("paths", "metrics")}
    page = (folder / "page.html").read_text("utf-8").replace(_CONTRACT, html.escape(json.dumps(shared)))
    media_types = {"page.css": "text/css"} | dict.fromkeys(("common.js", "page.js", "playground.js"), "text/javascript")
    return [
        _route("/", page, "text/html"),
        *(
            _route(f"/page/{name}", (folder / name).read_text("utf-8"), media_type)
            for name, media_type in media_types.items()
        ),
    ]


def _route(path: str, text: str, media_type: str) -> Route:
    content = text.encode()
    headers = {**_HEADERS, "etag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}

    async def serve(request: Request) -> Response:
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, serve, methods=["GET"])
