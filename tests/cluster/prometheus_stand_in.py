"""A stand-in for Prometheus: it answers the queries of one ScaledObject with numbers that the test sets.

That the queries measure what they should is tested elsewhere, with promtool and with a real Prometheus.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class PrometheusStandIn:
    """Answers instant queries, from `start` to `stop`."""

    def __init__(self, queries: Mapping[str, str], answer: Callable[[str], float]) -> None:
        """Prepare to answer.

        Args:
            queries: the queries by name.
            answer: returns the value of the query with this name.
        """
        self.available = True
        """Whether queries are answered. Otherwise each one fails with 503."""
        self.asked = 0
        """How often."""
        names = {query: name for name, query in queries.items()}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                (query,) = parse_qs(urlsplit(self.path).query)["query"]
                outer.asked += 1
                if not outer.available:
                    self.send_error(503)
                    return
                result = [{"metric": {}, "value": [0, str(answer(names[query]))]}]
                body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_request(self, *_args: object) -> None:
                pass

            log_error = log_request

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="prometheus", daemon=True)

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
