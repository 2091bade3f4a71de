"""The API matches its OpenAPI document: routes, responses and errors.

schemathesis generates the requests. NOVACRON_SCHEMATHESIS_EXAMPLES sets how many per operation.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx
import openapi_spec_validator
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from novacron_serving.coordinator.api import openapi
from novacron_serving.coordinator.api.app import CoordinatorApp
from novacron_serving.coordinator.api.keys import KeysApi
from novacron_serving.coordinator.api.models import ModelsApi
from novacron_serving.coordinator.background_tasks import BackgroundTasks
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.http.cross_site import CrossSiteGuard
from novacron_serving.coordinator.limits.authentication import Authenticator
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.coordinator.registry.assignments import Assignments
from novacron_serving.coordinator.scheduling.scheduler import Scheduler
from novacron_serving.coordinator.workers.workers import Workers
from schemathesis import GenerationMode, checks

from .stack import MODEL, Stack, running
from .test_page import FILES

pytestmark = pytest.mark.xdist_group("serving")
KEY = "the administrator's"
EXAMPLES = int(os.environ.get("NOVACRON_SCHEMATHESIS_EXAMPLES", "12"))
PAGE = {(f"/{file}", "get") for file in ("", *FILES)}
HEALTH = list(HealthCheck)


class WithKeys(Stack):
    """A stack whose clients need API keys, with a database."""

    def coordinator_config(self) -> dict[str, Any]:
        return super().coordinator_config() | {"database_url": f"sqlite:///{self.folder}/coordinator.db"}


@pytest.fixture(scope="module")
def with_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WithKeys]:
    made = WithKeys(tmp_path_factory.mktemp("openapi"), environment={"NOVACRON_ADMIN_KEY": KEY})
    with running(made, "worker-0"):
        yield made


def test_openapi_document_is_valid_and_lists_the_methods_of_each_path(with_keys: WithKeys) -> None:
    document = httpx.get(f"{with_keys.url}/openapi.json", timeout=10).json()
    openapi_spec_validator.validate(document)
    assert document["info"]["title"] == "NovaCron"
    # No path has the method PATCH, so each response lists the methods that it has.
    for path, operations in document["paths"].items():
        answer = httpx.request("PATCH", with_keys.url + path, timeout=10)
        assert answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED, path
        allowed = {method.lower() for method in answer.headers["allow"].split(", ")} - {"head", "options"}
        assert allowed >= set(operations), path


def test_every_route_is_in_the_openapi_document() -> None:
    config, keys = CoordinatorConfig(), ()
    workers, assignments = Workers(config, "token"), Assignments(None)
    authenticator = Authenticator(keys, needs_key=False)
    scheduler = Scheduler(config, workers, Metrics())
    background_tasks = BackgroundTasks(scheduler, authenticator, keys, None, None, workers, assignments)
    models = ModelsApi(config, None, workers, assignments)
    keys_api = KeysApi(None, background_tasks, authenticator, keys)
    guard = CrossSiteGuard(
        host="127.0.0.1", allowed_hosts=config.allowed_hosts, cors_origins=config.cors_origins, needs_key=bool(keys)
    )
    app = CoordinatorApp(
        config, workers, scheduler, authenticator, guard, background_tasks, keys_api, models, assignments
    )
    routes = {
        (route.path.replace(":path}", "}"), method.lower()) for route in app.asgi.routes for method in route.methods
    }
    documented = {(operation.path, operation.method) for operation in openapi.operations()}
    assert {(path, method) for path, method in routes if method != "head"} == documented | PAGE


@pytest.mark.parametrize("key", [None, "Bearer no such key", "Basic YTpi", "Bearer"])
def test_operations_with_a_role_are_401_without_a_known_api_key(with_keys: WithKeys, key: str | None) -> None:
    headers = {} if key is None else {"authorization": key}
    for one in openapi.operations():
        path = with_keys.url + one.path.format(model_id=MODEL, name="unknown")
        status = httpx.request(one.method, path, headers=headers, json={} if one.body else None, timeout=10).status_code
        assert (status == HTTPStatus.UNAUTHORIZED) is (one.role is not None), one


SCHEMA = schemathesis.openapi.from_dict(openapi.document())
SCHEMA.config.checks.negative_data_rejection.expected_statuses = list(range(400, 500))
OPERATIONS = {f"{one.method} {one.path}": one for one in (found.ok() for found in SCHEMA.get_all_operations())}


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", OPERATIONS)
def test_responses_match_the_openapi_document(with_keys: WithKeys, name: str, mode: GenerationMode) -> None:
    operation = OPERATIONS[name]

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=HEALTH)
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if name.endswith("completions") and mode.is_positive:
            case.body |= {"model": MODEL, "max_tokens": 2, "n": 1}  # otherwise the response is 404 or slow
            case.body.pop("min_tokens", None)
            case.body.pop("max_completion_tokens", None)
        case.call_and_validate(
            base_url=with_keys.url,
            headers={"authorization": f"Bearer {KEY}"},
            timeout=30,
            # A schema cannot express which fields fit together. API keys have their own test.
            excluded_checks=[checks.positive_data_acceptance, checks.ignored_auth],
        )

    with contextlib.suppress(Unsatisfiable):  # every request to this operation is valid
        ask()
