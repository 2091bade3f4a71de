"""Requests to the API server of one cluster, and the kinds that it has."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final, cast

import httpx

from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.kubernetes.kubeconfig import Access
from novacron_rehearsal.kubernetes.messages import UnknownKindError, UnreachableError, make_error
from novacron_rehearsal.kubernetes.objects import Json, Kind, Object, find_objects, find_text

OLDEST_VERSION: Final = (1, 27)
"""Minor version of Kubernetes from which the provider's status fields and server-side apply are known to work."""
_CONNECT_S = 10.0
_BUSY = frozenset({429, 503})
_BUSY_ATTEMPTS, _BUSY_PAUSE_S = 4, 1.0
"""A server that is busy is asked again after the pause that it states; after this one if it states none."""
_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"


class Cluster:
    """A client of one API server. Any thread may use it."""

    def __init__(self, access: Access, timeout_s: float) -> None:
        self.access = access
        self._client = httpx.Client(
            base_url=access.server,
            verify=access.verify,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S)),
            proxy=access.proxy or None,
            limits=httpx.Limits(max_keepalive_connections=64),
            headers={"accept": "application/json", "user-agent": "novacron"},
        )
        self._lock = threading.Lock()
        self._checked = False
        self._unreachable: UnreachableError | None = None
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        """Plural and scope of each kind, by API version."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check_version(self) -> None:
        """Check, once, that the API server answers and is not too old.

        Raises:
            UnreachableError: when it does not answer.
            ProviderError: when it is too old.
        """
        with self._lock:
            if self._checked:
                return
            if self._unreachable is not None:
                raise self._unreachable  # every resource asks; only the first one waits for the timeout
            try:
                found, _ = self.request("GET", "/version", action="read the version of the cluster")
            except UnreachableError as error:
                self._unreachable = error
                raise
            check_version(found, self.access.server)
            self._checked = True

    def path_of(self, kind: Kind, namespace: str, name: str = "") -> str:
        """Return the path of an object, or of all objects of a kind in a namespace.

        Raises:
            UnknownKindError: when the API server has no such kind.
        """
        plural, namespaced = self._find_kind(kind)
        scope = f"/namespaces/{namespace}" if namespaced and namespace else ""
        return f"{_root(kind.api_version)}{scope}/{plural}" + (f"/{name}" if name else "")

    def is_namespaced(self, kind: Kind) -> bool:
        """Return whether objects of a kind are in namespaces. Raises `UnknownKindError`."""
        return self._find_kind(kind)[1]

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return an object; `None` when it does not exist."""
        action = f"read {kind.name} {'/'.join(filter(None, [namespace, name]))}"
        try:
            return self.request("GET", self.path_of(kind, namespace, name), action=action)[0]
        except ProviderError as error:
            if getattr(error, "code", 0) == 404:
                return None
            raise

    def list(self, kind: Kind, namespace: str, **query: str) -> list[Object]:
        """Return the objects of a kind in a namespace that match `labelSelector` and `fieldSelector`."""
        action = f"list objects of kind {kind.name}" + (f" in namespace {namespace}" if namespace else "")
        found, _ = self.request("GET", self.path_of(kind, namespace), action=action, query=query)
        return find_objects(found, "items")

    def apply(
        self, kind: Kind, content: Object, *, namespace: str, manager: str, force: bool, dry_run: bool
    ) -> tuple[Object, list[str]]:
        """Apply an object. Returns it as the server has it now, and the server's warnings."""
        name = find_text(content, "metadata", "name")
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Warn"}
        return self.request(
            "PATCH",
            self.path_of(kind, namespace, name),
            action=f"apply {kind.name} {'/'.join(filter(None, [namespace, name]))}",
            query=query | ({"dryRun": "All"} if dry_run else {}),
            body=content,
            content_type=_APPLY,
        )

    def patch_json(self, kind: Kind, namespace: str, name: str, operations: list[Json]) -> Object:
        """Change an object by a JSON patch."""
        path = self.path_of(kind, namespace, name)
        action = f"change {kind.name} {'/'.join(filter(None, [namespace, name]))}"
        return self.request("PATCH", path, action=action, body=operations, content_type=_JSON_PATCH)[0]

    def delete(self, kind: Kind, namespace: str, name: str, propagation: str) -> None:
        """Ask for the deletion of an object."""
        self.request(
            "DELETE",
            self.path_of(kind, namespace, name),
            action=f"delete {kind.name} {'/'.join(filter(None, [namespace, name]))}",
            query={"propagationPolicy": propagation},
        )

    def read_last_log_line(self, namespace: str, pod: str, container: str) -> str:
        """Return the last line that a container wrote before it ended; empty when there is none to read."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        for previous in ("true", "false"):
            query = {"container": container, "previous": previous, "tailLines": "1", "limitBytes": "2000"}
            try:
                response = self._send("GET", path, query, None, {})
            except UnreachableError:
                return ""
            if response.is_success and response.text.strip():
                return response.text.strip()
        return ""

    @contextmanager
    def open_log(self, namespace: str, pod: str, query: Mapping[str, str]) -> Generator[httpx.Response]:
        """Open the log of a pod as a stream, which ends with the container if the query has `follow`.

        Raises:
            UnreachableError: when the API server does not answer, or the stream breaks while the caller reads it.
            ApiError: when it refuses the request.
        """
        request = self._client.build_request(
            "GET",
            f"/api/v1/namespaces/{namespace}/pods/{pod}/log",
            params=dict(query),
            headers=self._authorization(),
            extensions=self._extensions,
            timeout=httpx.Timeout(_CONNECT_S, read=None if "follow" in query else _CONNECT_S),
        )
        try:
            response = self._client.send(request, stream=True)
            try:
                if not response.is_success:
                    response.read()
                    action = f"read the log of pod {namespace}/{pod}"
                    raise make_error(response.status_code, _read_object(response), action)
                yield response
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise self._explain_failure(error) from error

    def request(
        self,
        method: str,
        path: str,
        *,
        action: str,
        query: Mapping[str, str] | None = None,
        body: Json = None,
        content_type: str = "application/json",
        attempts: int = _BUSY_ATTEMPTS,
    ) -> tuple[Object, list[str]]:
        """Send a request, up to `attempts` times while the server is busy.

        Returns the response's object and the server's warnings.

        Raises:
            UnreachableError: when the API server does not answer.
            ApiError: when it refuses the request.
        """
        headers = {"content-type": content_type} if body is not None else {}
        response = self._send(method, path, query or {}, body, headers, attempts)
        answer = _read_object(response)
        if not response.is_success:
            raise make_error(response.status_code, answer, action)
        return answer, [_read_warning(line) for line in response.headers.get_list("warning")]

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Json,
        headers: dict[str, str],
        attempts: int = _BUSY_ATTEMPTS,
    ) -> httpx.Response:
        headers |= self._authorization()
        content = None if body is None else json.dumps(body).encode()
        try:
            for attempt in range(attempts):
                response = self._client.request(
                    method, path, params=dict(query), content=content, headers=headers, extensions=self._extensions
                )
                if response.status_code not in _BUSY or attempt == attempts - 1:
                    return response
                stated = response.headers.get("retry-after", "")
                time.sleep(min(float(stated), _CONNECT_S) if stated.isdigit() else _BUSY_PAUSE_S)
            raise AssertionError
        except httpx.HTTPError as error:
            raise self._explain_failure(error) from error

    def _authorization(self) -> dict[str, str]:
        token = self.access.authorize()
        return {"authorization": token} if token else {}

    @property
    def _extensions(self) -> dict[str, str]:
        return {"sni_hostname": self.access.tls_server_name} if self.access.tls_server_name else {}

    def _explain_failure(self, error: httpx.HTTPError) -> UnreachableError:
        server = self.access.server
        if isinstance(error, httpx.TimeoutException):
            return UnreachableError(f"the cluster's API server {server} did not answer in time")
        return UnreachableError(
            f"the cluster's API server {server} cannot be reached: {error}. Check that this machine has a route "
            "to it and that the kubeconfig is this cluster's"
        )

    def _find_kind(self, kind: Kind) -> tuple[str, bool]:
        known = self._kinds.get(kind.api_version, {})
        if kind.name not in known:
            known = self._kinds[kind.api_version] = self._read_kinds(kind)
        if kind.name not in known:
            raise UnknownKindError(_no_such_kind(kind))
        return known[kind.name]

    def _read_kinds(self, kind: Kind) -> dict[str, tuple[str, bool]]:
        try:
            found, _ = self.request("GET", _root(kind.api_version), action=f"read the kinds of {kind.api_version}")
        except ProviderError as error:
            if getattr(error, "code", 0) == 404:
                raise UnknownKindError(_no_such_kind(kind)) from error
            raise
        return {
            find_text(item, "kind"): (find_text(item, "name"), item.get("namespaced") is True)
            for item in find_objects(found, "resources")
            if "/" not in find_text(item, "name")
        }


def check_version(found: Object, server: str) -> None:
    """Check the response of `/version`.

    Raises:
        ProviderError: when the server is too old, or is not a Kubernetes API server.
    """
    major, minor = (find_text(found, key).rstrip("+") for key in ("major", "minor"))
    if not (major.isdigit() and minor.isdigit()):
        raise ProviderError(f"{server} does not state a version of Kubernetes; is it the API server of a cluster?")
    if (int(major), int(minor)) < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        raise ProviderError(
            f"the cluster at {server} runs Kubernetes {major}.{minor}; NovaCron's Kubernetes provider needs {oldest} "
            "or later. Upgrade the cluster, or run the stack with the Pulumi CLI"
        )


def _read_object(response: httpx.Response) -> Object:
    try:
        content = response.json()
    except ValueError:
        content = {"message": response.text.strip()[:500]}
    return cast("Object", content if isinstance(content, dict) else {})


def _no_such_kind(kind: Kind) -> str:
    return (
        f"the cluster has no kind {kind.name} of {kind.api_version}. Install what defines it first; resources of this "
        "program that need a CustomResourceDefinition must name it in `depends_on`"
    )


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _read_warning(header: str) -> str:
    """Return the text of a `Warning` header: `299 - "text"`."""
    _, _, text = header.partition('"')
    return text.rpartition('"')[0].replace('\\"', '"') or header
