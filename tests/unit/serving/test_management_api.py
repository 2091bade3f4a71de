"""The management API: API keys, bodies, and pages of other sites. The application runs in this process."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from novacron_serving.coordinator.api.app import CoordinatorApp
from novacron_serving.coordinator.api.keys import KeysApi
from novacron_serving.coordinator.api.models import ModelsApi
from novacron_serving.coordinator.background_tasks import BackgroundTasks
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.http.cross_site import CrossSiteGuard
from novacron_serving.coordinator.limits.authentication import ApiKey, Authenticator, Role
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.registry.assignments import Assignments
from novacron_serving.coordinator.registry.database import Store
from novacron_serving.coordinator.scheduling.scheduler import Scheduler
from novacron_serving.coordinator.workers.workers import Workers
from starlette.testclient import TestClient

ADMIN = ApiKey(name="administrator", sha256=hashlib.sha256(b"sk").hexdigest(), role=Role.ADMIN)
PREFIX = "/api/v1/llm"
KEYS = f"{PREFIX}/keys"
HEADERS = {"host": "localhost:8080"}
Connect = Callable[..., TestClient]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """Return clients of coordinators that share a database."""
    store = Store(f"sqlite:///{tmp_path}/coordinator.db")
    store.migrate()

    def start(*keys: ApiKey, **settings: Any) -> TestClient:
        config = CoordinatorConfig(**settings)
        workers, assignments = Workers(config, "token"), Assignments(store)
        authenticator = Authenticator(keys, needs_key=bool(keys))
        scheduler = Scheduler(config, workers, Metrics())
        tasks = BackgroundTasks(scheduler, authenticator, keys, store, None, workers, assignments)
        guard = CrossSiteGuard(
            host="127.0.0.1", allowed_hosts=config.allowed_hosts, cors_origins=config.cors_origins, needs_key=bool(keys)
        )
        app = CoordinatorApp(
            config, workers, scheduler, authenticator, guard, tasks, KeysApi(store, tasks, authenticator, keys),
            ModelsApi(config, store, workers, assignments), assignments,
        )  # fmt: skip
        headers = HEADERS | ({"authorization": "Bearer sk"} if keys else {})
        return TestClient(app.asgi, headers=headers)

    yield start
    store.close()


def names(client: TestClient) -> list[str]:
    return [key["name"] for key in client.get(KEYS).json()["data"]]


def test_no_key_is_created_while_none_is_needed(connect: Connect) -> None:
    keyless = connect()
    refused = keyless.post(KEYS, json={"name": "team", "role": "admin"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "keys_not_in_use")
    assert "NOVACRON_ADMIN_KEY" in refused.json()["error"]["message"]
    assert names(keyless) == []
    with_keys = connect(ADMIN)
    assert names(with_keys) == ["administrator"]
    assert with_keys.post(KEYS, json={"name": "team", "role": "admin"}).status_code == 201
    assert names(with_keys) == ["administrator", "team"]


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        pytest.param(socket.gaierror(socket.EAI_NONAME, "Name or service not known"), True, id="no pod of a worker"),
        pytest.param(socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), False, id="DNS does not answer"),
        pytest.param([(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 0))], False, id="a pod starts"),
    ],
)
def test_a_new_coordinator_waits_for_workers_only_if_there_are_some(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, answer: object, ready: bool
) -> None:
    def resolve(name: str, *arguments: object, **options: object) -> object:
        assert name == "llm-workers.novacron-llm.svc"
        if isinstance(answer, OSError):
            raise answer
        return answer

    client = connect(workers_name="llm-workers.novacron-llm.svc", workers_timeout_s=60)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert client.get("/ready").status_code == (200 if ready else 503)


CHANGES = [
    ("POST", KEYS, {"name": "team"}),
    ("POST", f"{PREFIX}/models", {"url": "file:///nowhere"}),
    ("POST", f"{PREFIX}/models/m/load", {"force": True}),
    ("POST", f"{PREFIX}/models/m/unload", {"force": True}),
    ("PUT", f"{PREFIX}/models/m/quality", {"model_digest": "d", "score": 1}),
]

OTHERS = [("DELETE", f"{KEYS}/team", None), ("GET", "/", None), ("GET", "/v1/models", None), ("OPTIONS", KEYS, None)]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_requests_that_change_something_need_the_json_media_type(
    connect: Connect, method: str, path: str, body: dict[str, Any], content_type: str | None
) -> None:
    client = connect(ADMIN)
    headers = {} if content_type is None else {"content-type": content_type}
    build = client.build_request(method, path, json=body, headers=headers)
    if content_type is None:
        del build.headers["content-type"]
    refused = client.send(build)
    assert refused.status_code == 415
    assert "content-type: application/json" in refused.json()["error"]["message"]
    assert client.request(method, path, json=body).status_code != 415


def test_load_without_a_body_needs_no_media_type(connect: Connect) -> None:
    assert connect(ADMIN).post(f"{PREFIX}/models/m/load").status_code == 404


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "evil.example:8080"}, "host_not_allowed"),
        ({"origin": "http://evil.example"}, "origin_not_allowed"),
        ({"origin": "null"}, "origin_not_allowed"),
        ({"host": "evil.example", "origin": "http://evil.example"}, "host_not_allowed"),
    ],
)
@pytest.mark.parametrize(("method", "path", "body"), [*CHANGES, *OTHERS])
def test_pages_of_other_sites_are_refused_without_keys(
    connect: Connect, method: str, path: str, body: Any, headers: dict[str, str], code: str
) -> None:
    refused = connect().request(method, path, json=body, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, code)


def test_own_page_cors_origins_and_clients_with_keys_are_served(connect: Connect) -> None:
    own = {"origin": "http://localhost:8080"}
    assert connect().get("/", headers=own).status_code == 200
    assert connect().post(f"{PREFIX}/models/m/load", json={}, headers=own).status_code == 404
    page = {"origin": "https://chat.example.com"}
    with_cors = connect(cors_origins=("https://chat.example.com",))
    answer = with_cors.get("/v1/models", headers=page)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page["origin"])
    preflight = page | {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    assert with_cors.options(f"{PREFIX}/models", headers=preflight).status_code == 200
    assert connect(ADMIN).get("/v1/models", headers={"host": "anything.example"} | page).status_code == 200
    named = connect(allowed_hosts=("dev.example",))
    assert named.get("/v1/models", headers={"host": "dev.example:8080"}).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), CHANGES[:4])
@pytest.mark.parametrize("depth", [300, 1000, 100_000])
def test_deeply_nested_body_is_a_400(connect: Connect, method: str, path: str, body: Any, depth: int) -> None:
    del body
    content = b'{"name":' + b"[" * depth + b"]" * depth + b"}"
    answer = connect(ADMIN).request(method, path, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == (413 if len(content) > 4096 else 400)
    assert answer.json()["error"]["type"] == "invalid_request_error"
