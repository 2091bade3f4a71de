"""The OpenAPI document, made from the types of requests and responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter

from novacron_serving.coordinator.api.keys import NewKey
from novacron_serving.coordinator.api.models import Load, NewModel, Quality, Unload
from novacron_serving.coordinator.api.schemas import (
    Alive,
    ClusterStatus,
    KeyBodies,
    KnownModel,
    KnownModels,
    Loading,
    NewKeyBody,
    Ready,
    ServedModels,
    Unloading,
)
from novacron_serving.coordinator.limits.authentication import Role
from novacron_serving.errors import ErrorBody
from novacron_serving.protocol import contract
from novacron_serving.protocol.openai import ChatRequest, CompletionRequest
from novacron_serving.protocol.openai.chat import IGNORED, NEUTRAL
from novacron_serving.protocol.openai.completions import COMPLETION_IGNORED, COMPLETION_NEUTRAL
from novacron_serving.protocol.openai.responses import ChatCompletion, ModelBody, TextCompletion

REF = "#/components/schemas/{model}"
ERRORS = {
    400: "The request is invalid; `error.param` names the field.",
    401: "The API key is missing or unknown.",
    403: "The key's role does not permit this, or the request comes from a page of another site.",
    404: "Not found.",
    409: "The request conflicts with the current state.",
    413: "The body is too large.",
    415: "The header `content-type` is not `application/json`.",
    422: "A value in the body is not possible.",
    429: "Too many requests, or a rate limit of the key is exhausted. Retry after `retry-after` seconds.",
    500: "The worker responded with an error.",
    501: "This coordinator has no database.",
    503: "No worker is available, or the database is unavailable. Retry after `retry-after` seconds.",
    504: "The worker did not respond in time.",
}
_STREAMED = "With `stream`: server-sent events, each with a chunk as in OpenAI's API, and `[DONE]` at the end."


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path."""

    path: str
    tag: str
    summary: str
    responses: Mapping[int, type | None]
    """Bodies by status; None: no body."""
    method: str = "get"
    role: Role | None = Role.USER
    """The role that is needed if clients need a key; None: never needs a key."""
    body: type[BaseModel] | None = None
    body_required: bool = True
    errors: Sequence[int] = ()
    """Statuses in addition to those of missing keys, insufficient roles and unavailable services."""
    ignored: frozenset[str] = frozenset()
    neutral: Mapping[str, tuple[object, ...]] | None = None
    streams: bool = False


def operations() -> list[Operation]:
    """Return all operations of the coordinator."""
    paths = contract()["paths"]
    llm: str = paths["llm_prefix"]
    model = f"{llm}/models/{{model_id}}"
    generating: dict[str, Any] = {"method": "post", "errors": (400, 404, 413, 415, 429, 500, 504), "streams": True}
    chat: dict[str, Any] = generating | {"body": ChatRequest, "ignored": IGNORED, "neutral": NEUTRAL}
    completing: dict[str, Any] = generating | {
        "body": CompletionRequest, "ignored": COMPLETION_IGNORED, "neutral": COMPLETION_NEUTRAL,
    }  # fmt: skip
    changing: dict[str, Any] = {"method": "post", "role": Role.OPERATOR, "errors": (400, 404, 409, 413, 415, 422, 501)}
    putting: dict[str, Any] = changing | {"method": "put"}
    keys: dict[str, Any] = {"role": Role.ADMIN}
    public: dict[str, Any] = {"role": None}
    chats, completions = paths["chat_completions"], paths["completions"]
    return [
        *(
            Operation(path, "Chat", "Create a chat completion", {200: ChatCompletion}, **chat)
            for path in (chats, chats.replace("/v1", llm, 1))
        ),
        *(
            Operation(path, "Chat", "Create a completion", {200: TextCompletion}, **completing)
            for path in (completions, completions.replace("/v1", llm, 1))
        ),
        Operation(paths["models"], "Models", "List served models", {200: ServedModels}),
        Operation(f"{paths['models']}/{{model_id}}", "Models", "Get a served model", {200: ModelBody}, errors=(404,)),
        Operation(f"{llm}/models", "Models", "List served and registered models", {200: KnownModels}),
        Operation(f"{llm}/models", "Models", "Register a model", {201: KnownModel}, body=NewModel, **changing),
        Operation(
            f"{model}/load", "Models", "Load a model onto workers", {200: Loading, 202: Loading},
            body=Load, body_required=False, **changing,
        ),
        Operation(
            f"{model}/unload", "Models", "Unload a model", {202: Unloading},
            body=Unload, body_required=False, **changing,
        ),
        Operation(
            f"{model}/quality", "Models", "Record a measured quality score", {200: KnownModel},
            body=Quality, **putting,
        ),
        Operation(paths["cluster_status"], "Cluster", "Get the workers and their load", {200: ClusterStatus}),
        Operation(f"{llm}/metrics", "Cluster", "Get metrics, without histogram buckets", {200: dict[str, float]}),
        Operation(f"{llm}/keys", "Keys", "List API keys", {200: KeyBodies}, **keys),
        Operation(
            f"{llm}/keys", "Keys", "Create an API key, which is shown only once", {201: NewKeyBody},
            method="post", body=NewKey, errors=(400, 409, 413, 415, 501), **keys,
        ),
        Operation(
            f"{llm}/keys/{{name}}", "Keys", "Revoke an API key", {204: None}, method="delete", errors=(404, 501), **keys
        ),
        Operation(paths["health"], "Health", "Check that the process is alive", {200: Alive}, **public),
        Operation(paths["ready"], "Health", "Check whether requests can be served", {200: Ready, 503: Ready}, **public),
        Operation(paths["metrics"], "Health", "Get metrics for Prometheus", {200: str}, **public),
        Operation(paths["openapi"], "Health", "Get this document", {200: dict[str, Any]}, **public),
    ]  # fmt: skip


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for one in operations():
        paths.setdefault(one.path, {})[one.method] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "NovaCron",
            "version": version("novacron-serving"),
            "description": "Chat and completions as in OpenAI's API, and the management of a cluster of workers. "
            "Clients need an API key if any is configured.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {"tags": [one.tag], "summary": one.summary, "operationId": _name(one), "responses": {}}
    if one.role is not None:
        operation["security"] = [{"key": []}]
        operation["description"] = f"Needs an API key with the role {one.role.value} or a higher one."
    if parameters := [part[1:-1] for part in one.path.split("/") if part.startswith("{")]:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in parameters
        ]
    if one.body is not None:
        schema = _request(one.body, one, schemas)
        operation["requestBody"] = {"required": one.body_required, "content": {"application/json": {"schema": schema}}}
    for status, body in one.responses.items():
        operation["responses"][str(status)] = _response(body, schemas, streams=one.streams)
    errors = {*one.errors, *((401, 403, 503) if one.role is not None else ())}
    for status in sorted(errors):
        operation["responses"][str(status)] = {
            "description": ERRORS[status],
            "content": {"application/json": {"schema": _schema(ErrorBody, schemas)}},
        }
    return operation


def _name(one: Operation) -> str:
    return one.method + "".join(part.strip("{}").title() for part in one.path.replace("_", "/").split("/"))


def _response(body: type | None, schemas: dict[str, Any], *, streams: bool) -> dict[str, Any]:
    if body is None:
        return {"description": "Done."}
    if body is str:
        return {"description": "Plain text.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    content = {"application/json": {"schema": _schema(body, schemas)}}
    if streams:
        return {"description": f"The response. {_STREAMED}", "content": content | {"text/event-stream": {}}}
    return {"description": "The response.", "content": content}


def _schema(kind: type, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a reference to the schema of a type, and add that schema and those that it refers to."""
    found = TypeAdapter(kind).json_schema(ref_template=REF)
    schemas |= found.pop("$defs", {})
    if "title" not in found:
        return found
    schemas[found["title"]] = found
    return {"$ref": REF.format(model=found["title"])}


def _request(kind: type[BaseModel], one: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    found = kind.model_json_schema(ref_template=REF)
    parts: dict[str, Any] = found.pop("$defs", {})
    if one.neutral is not None:  # there, null means the same as leaving out the field
        for part in (found, *parts.values()):
            _allow_null(part)
        for name in sorted(one.ignored):
            found["properties"][name] = {"description": "Accepted and ignored."}
        for name, values in sorted(one.neutral.items()):
            description = "Not supported, except for these values." if values else "Not supported."
            found["properties"][name] = {"enum": [*values, None], "description": description}
    schemas |= parts | {kind.__name__: found}
    return {"$ref": REF.format(model=kind.__name__)}


def _allow_null(schema: dict[str, Any]) -> None:
    properties = cast("dict[str, dict[str, Any]]", schema.get("properties", {}))
    for name, value in properties.items():
        nulls = {"type": "null"} in value.get("anyOf", [])
        if name not in schema.get("required", []) and not nulls:
            kept = {key: value.pop(key) for key in ("default", "description") if key in value}
            properties[name] = {"anyOf": [value, {"type": "null"}]} | kept
