"""A simulated API server for the tests of the Kubernetes provider: objects, server-side apply, dry runs, refusals.

It has one manager's view of ownership: fields are leaves of objects, and lists are atomic. Controllers are functions of
the tests, called whenever an object is read.
"""

from __future__ import annotations

import copy
import json
import re
import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Stored = dict[str, Any]
Controller = Callable[[Stored], None]
Leaf = tuple[str, ...]
"""The keys on the way to a field."""

KINDS = {
    "/api/v1": {
        "ConfigMap": ("configmaps", True),
        "Event": ("events", True),
        "LimitRange": ("limitranges", True),
        "Namespace": ("namespaces", False),
        "Node": ("nodes", False),
        "PersistentVolumeClaim": ("persistentvolumeclaims", True),
        "Pod": ("pods", True),
        "ResourceQuota": ("resourcequotas", True),
        "Secret": ("secrets", True),
        "Service": ("services", True),
        "ServiceAccount": ("serviceaccounts", True),
    },
    "/apis/apps/v1": {
        "Deployment": ("deployments", True),
        "ReplicaSet": ("replicasets", True),
        "StatefulSet": ("statefulsets", True),
    },
    "/apis/discovery.k8s.io/v1": {"EndpointSlice": ("endpointslices", True)},
    "/apis/networking.k8s.io/v1": {"NetworkPolicy": ("networkpolicies", True)},
    "/apis/policy/v1": {"PodDisruptionBudget": ("poddisruptionbudgets", True)},
    "/apis/scheduling.k8s.io/v1": {"PriorityClass": ("priorityclasses", False)},
    "/apis/storage.k8s.io/v1": {"StorageClass": ("storageclasses", False)},
}
_PATH = re.compile(
    r"(?P<root>/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<plural>[a-z]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/]+))?"
)
_SERVER_FIELDS = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}


class Refusal(Exception):  # noqa: N818 - it is a response
    """A response that is an error."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.body = {"kind": "Status", "reason": reason, "message": message, "code": code, "details": details}


@dataclass
class ApiServer:
    """The objects of a cluster by path, and what the tests set."""

    objects: dict[str, Stored] = field(default_factory=dict[str, Stored])
    controllers: dict[str, Controller] = field(default_factory=dict[str, Controller])
    """Called with an object of this kind when it is read."""
    denied: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Verb and plural of what the user may not do."""
    logs: dict[str, str] = field(default_factory=dict[str, str])
    """By pod and container: `pod/container`."""
    evict: Callable[[str], Stored | None] = lambda _path: None
    """Evicts the pod at a path, or returns why a disruption budget refuses it: `details` of the response."""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list[tuple[str, str, dict[str, str]]])
    token: str = "let-me-in"
    minor: str = "33"
    busy: int = 0
    """Requests that get 429 before the next one is served."""
    address: str = ""
    stop: Callable[[], None] = lambda: None
    """Stops answering."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def kubeconfig(self, **context: str) -> str:
        """A kubeconfig for this server."""
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "sim",
                "clusters": [{"name": "sim", "cluster": {"server": self.address}}],
                "contexts": [{"name": "sim", "context": {"cluster": "sim", "user": "me", **context}}],
                "users": [{"name": "me", "user": {"token": self.token}}],
            }
        )

    def find(self, kind: str, name: str) -> Stored | None:
        """The object of a kind with a name, in any namespace."""
        found = (one for one in self.objects.values() if one["kind"] == kind and one["metadata"]["name"] == name)
        return next(found, None)

    def put(self, path: str, value: Stored) -> Stored:
        """Add an object that something else made."""
        value = copy.deepcopy(value)
        value.setdefault("metadata", {}).setdefault("uid", str(uuid.uuid4()))
        self.objects[path] = value
        return value

    def writes(self) -> list[tuple[str, str]]:
        """Method and path of the requests that changed something, in order."""
        return [(method, path) for method, path, query in self.requests if method != "GET" and "dryRun" not in query]

    # -- requests -----------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        if path == "/version":
            return {"major": "1", "minor": self.minor}
        if path in KINDS:
            listed = KINDS[path].items()
            return {"resources": [{"kind": kind, "name": plural, "namespaced": yes} for kind, (plural, yes) in listed]}
        found = _PATH.fullmatch(path)
        if found is None or found["root"] not in KINDS:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        self._authorize(method, found)
        if found["subresource"] == "log":
            return self.logs.get(f"{found['name']}/{query['container']}", "")
        if found["subresource"] == "eviction":
            if refused := self.evict(path.removesuffix("/eviction")):
                message = "Cannot evict pod as it would violate the pod's disruption budget."
                raise Refusal(429, "TooManyRequests", message, **refused)
            return {"kind": "Status", "status": "Success"}
        if method == "GET" and found["name"] is None:
            return {
                "items": [self._view(one) for key, one in list(self.objects.items()) if _selects(path, query, key, one)]
            }
        if method == "PATCH" and isinstance(body, dict):
            return self._apply(path, found, query, body)
        if path not in self.objects:
            raise Refusal(404, "NotFound", f'{found["plural"]} "{found["name"]}" not found', kind=found["plural"])
        if method == "DELETE":
            if self.objects[path]["metadata"].get("finalizers"):
                self.objects[path]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            else:
                del self.objects[path]
            return {"kind": "Status", "status": "Success"}
        if method == "PATCH":
            for change in body:
                _, part, key = change["path"].split("/")
                self.objects[path].setdefault(part, {})[key] = change["value"]
        return self._view(self.objects[path])

    def _view(self, value: Stored) -> Stored:
        if controller := self.controllers.get(value["kind"]):
            controller(value)
        return value

    def _authorize(self, method: str, found: re.Match[str]) -> None:
        verb = {"GET": "get" if found["name"] else "list", "PATCH": "patch", "DELETE": "delete", "POST": "create"}[
            method
        ]
        plural, group = found["plural"], found["root"].split("/")[2] if found["root"] != "/api/v1" else ""
        if (verb, plural) in self.denied:
            where = f' in the namespace "{found["namespace"]}"' if found["namespace"] else ""
            message = f'User "me" cannot {verb} resource "{plural}" in API group "{group}"{where}'
            raise Refusal(403, "Forbidden", f'{plural} "x" is forbidden: {message}')

    def _apply(self, path: str, found: re.Match[str], query: dict[str, str], body: Stored) -> Stored:
        namespace = found["namespace"]
        if namespace and namespace != "default" and f"/api/v1/namespaces/{namespace}" not in self.objects:
            raise Refusal(404, "NotFound", f'namespaces "{namespace}" not found', kind="namespaces", name=namespace)
        old = self.objects.get(path)
        value = copy.deepcopy(old) if old else {"metadata": {"uid": str(uuid.uuid4()), "creationTimestamp": "2026"}}
        managed = value["metadata"].setdefault("managedFields", [])
        manager, wanted = query["fieldManager"], dict(_leaves(body))
        others = {one["manager"]: _paths(one["fieldsV1"]) for one in managed if one["manager"] != manager}
        conflicts = [
            {
                "reason": "FieldManagerConflict",
                "message": f'conflict with "{owner}" using apps/v1',
                "field": f".{'.'.join(leaf)}",
            }
            for leaf, content in wanted.items()
            for owner, owned in others.items()
            if leaf in owned and _look(value, leaf) != content
        ]
        if conflicts and query["force"] != "true":
            raise Refusal(409, "Conflict", "Apply failed", causes=conflicts)
        own = next((one for one in managed if one["manager"] == manager), None)
        for leaf in _paths(own["fieldsV1"]) if own else ():
            if leaf not in wanted and not any(leaf in owned for owned in others.values()):
                _remove(value, leaf)
        for leaf, content in wanted.items():
            _place(value, leaf, content)
        fields = _tree(leaf for leaf in wanted if leaf not in _SERVER_FIELDS)
        managed[:] = [one for one in managed if one["manager"] != manager]
        managed.append({"manager": manager, "operation": "Apply", "fieldsV1": fields})
        before = {key: item for key, item in (old or {}).items() if key not in ("metadata", "status")}
        after = {key: item for key, item in value.items() if key not in ("metadata", "status")}
        if before != after:
            value["metadata"]["generation"] = value["metadata"].get("generation", 0) + 1
        value["metadata"]["resourceVersion"] = str(len(self.requests))
        if "dryRun" in query:
            return value
        self.objects[path] = value
        return value


def _selects(path: str, query: dict[str, str], key: str, value: Stored) -> bool:
    if not key.startswith(f"{path}/") or key.count("/") != path.count("/") + 1:
        return False
    labels = value["metadata"].get("labels", {})
    wanted = dict(part.split("=") for part in filter(None, query.get("labelSelector", "").split(",")))
    if any(labels.get(name) != content for name, content in wanted.items()):
        return False
    fields = dict(part.split("=") for part in filter(None, query.get("fieldSelector", "").split(",")))
    return all(_look(value, tuple(name.split("."))) == content for name, content in fields.items())


def _leaves(value: Any, path: Leaf = ()) -> Generator[tuple[Leaf, Any]]:
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from _leaves(item, (*path, key))
        else:
            yield (*path, key), item


def _tree(leaves: Any) -> Stored:
    root: Stored = {}
    for leaf in leaves:
        below = root
        for key in leaf:
            below = below.setdefault(f"f:{key}", {})
    return root


def _paths(fields: Stored, path: Leaf = ()) -> set[Leaf]:
    if not fields:
        return {path} if path else set()
    return {one for key, item in fields.items() for one in _paths(item, (*path, key[2:]))}


def _look(value: Any, leaf: Leaf) -> Any:
    for key in leaf:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _place(value: Stored, leaf: Leaf, content: Any) -> None:
    *keys, last = leaf
    for key in keys:
        value = value.setdefault(key, {})
    value[last] = copy.deepcopy(content)


def _remove(value: Stored, leaf: Leaf) -> None:
    *keys, last = leaf
    for key in keys:
        value = value.get(key, {})
    value.pop(last, None)


@contextmanager
def serve_api(api: ApiServer) -> Generator[ApiServer]:
    """Serve until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            split = urlsplit(self.path)
            query = dict(parse_qsl(split.query))
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            with api.lock:
                api.requests.append((self.command, split.path, query))
                try:
                    if api.busy:
                        api.busy -= 1
                        raise Refusal(429, "TooManyRequests", "too many requests")
                    if self.headers.get("authorization") != f"Bearer {api.token}":
                        raise Refusal(401, "Unauthorized", "Unauthorized")
                    code, content = 200, api.answer(self.command, split.path, query, body)
                except Refusal as refusal:
                    code, content = refusal.code, refusal.body
                encoded = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(code)
            if code == 429:
                self.send_header("retry-after", "0")
            self.send_header("content-length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_PATCH = do_DELETE = do_POST = respond  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    api.address = f"http://127.0.0.1:{server.server_port}"

    def stop() -> None:
        server.shutdown()
        server.server_close()

    api.stop = stop
    try:
        yield api
    finally:
        stop()
