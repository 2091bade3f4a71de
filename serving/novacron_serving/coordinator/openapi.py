"""The API as an OpenAPI document, made from the types by which requests are read and answers are built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter

from novacron_serving.coordinator.access import Role
from novacron_serving.coordinator.bodies import (
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
from novacron_serving.coordinator.keys_api import NewKey
from novacron_serving.coordinator.models_api import Load, NewModel, Quality, Unload
from novacron_serving.errors import ErrorBody
from novacron_serving.protocol import contract
from novacron_serving.protocol.openai import ChatRequest, CompletionRequest
from novacron_serving.protocol.openai.answers import ChatCompletion, ModelBody, TextCompletion
from novacron_serving.protocol.openai.chat import IGNORED, NEUTRAL
from novacron_serving.protocol.openai.completions import COMPLETION_IGNORED, COMPLETION_NEUTRAL

REF = "#/components/schemas/{model}"
ERRORS = {
    400: "The request is wrong; `error.param` names the field.",
    401: "No key, or none that is known.",
    403: "The key's role does not allow it.",
    404: "There is no such thing.",
    409: "Not as things are.",
    413: "The body is too large.",
    422: "The request is JSON, and says what cannot be.",
    429: "Too much at once, or a key's rate is used up: again after `retry-after` seconds.",
    500: "The worker answered with an error.",
    501: "This coordinator has no database.",
    503: "No worker can answer, or something is away: again after `retry-after` seconds.",
    504: "The worker did not begin to answer in time.",
}
_STREAMED = "With `stream`: server-sent events, each a chunk as in OpenAI's API, the last one `[DONE]`."


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    path: str
    tag: str
    summary: str
    answers: Mapping[int, type | None]
    """By status; None: it has no body."""
    method: str = "get"
    role: Role | None = Role.USER
    """Of the key that is needed, where keys are; None: none is."""
    asks: type[BaseModel] | None = None
    body_needed: bool = True
    errors: Sequence[int] = ()
    """Besides those that a missing or lesser key and a server in trouble get."""
    ignored: frozenset[str] = frozenset()
    neutral: Mapping[str, tuple[object, ...]] | None = None
    streams: bool = False


def operations() -> list[Operation]:
    """All that the coordinator answers."""
    paths = contract()["paths"]
    llm: str = paths["llm_prefix"]
    model = f"{llm}/models/{{model_id}}"
    generating: dict[str, Any] = {"method": "post", "errors": (400, 404, 413, 429, 500, 504), "streams": True}
    chat: dict[str, Any] = generating | {"asks": ChatRequest, "ignored": IGNORED, "neutral": NEUTRAL}
    completing: dict[str, Any] = generating | {
        "asks": CompletionRequest, "ignored": COMPLETION_IGNORED, "neutral": COMPLETION_NEUTRAL,
    }  # fmt: skip
    changing: dict[str, Any] = {"method": "post", "role": Role.OPERATOR, "errors": (400, 404, 409, 413, 422, 501)}
    putting: dict[str, Any] = changing | {"method": "put"}
    keys: dict[str, Any] = {"role": Role.ADMIN}
    anybody: dict[str, Any] = {"role": None}
    chats, completions = paths["chat_completions"], paths["completions"]
    return [
        *(
            Operation(path, "Chat", "Answer a conversation", {200: ChatCompletion}, **chat)
            for path in (chats, chats.replace("/v1", llm, 1))
        ),
        *(
            Operation(path, "Chat", "Go on from prompts", {200: TextCompletion}, **completing)
            for path in (completions, completions.replace("/v1", llm, 1))
        ),
        Operation(paths["models"], "Models", "What is served", {200: ServedModels}),
        Operation(f"{paths['models']}/{{model_id}}", "Models", "One that is served", {200: ModelBody}, errors=(404,)),
        Operation(f"{llm}/models", "Models", "What is served or registered", {200: KnownModels}),
        Operation(f"{llm}/models", "Models", "Register one", {201: KnownModel}, asks=NewModel, **changing),
        Operation(
            f"{model}/load", "Models", "Have workers serve a model", {200: Loading, 202: Loading},
            asks=Load, body_needed=False, **changing,
        ),
        Operation(
            f"{model}/unload", "Models", "Have them serve what they were started with", {202: Unloading},
            asks=Unload, body_needed=False, **changing,
        ),
        Operation(
            f"{model}/quality", "Models", "Keep a measured score", {200: KnownModel},
            asks=Quality, **putting,
        ),
        Operation(paths["cluster_status"], "Cluster", "Workers and their load", {200: ClusterStatus}),
        Operation(f"{llm}/metrics", "Cluster", "Metrics, without histograms' buckets", {200: dict[str, float]}),
        Operation(f"{llm}/keys", "Keys", "All keys", {200: KeyBodies}, **keys),
        Operation(
            f"{llm}/keys", "Keys", "Make a key; it is shown this once", {201: NewKeyBody},
            method="post", asks=NewKey, errors=(400, 409, 413, 501), **keys,
        ),
        Operation(
            f"{llm}/keys/{{name}}", "Keys", "Revoke a key", {204: None}, method="delete", errors=(404, 501), **keys
        ),
        Operation(paths["health"], "Health", "Whether the process lives", {200: Alive}, **anybody),
        Operation(paths["ready"], "Health", "Whether requests can be served", {200: Ready, 503: Ready}, **anybody),
        Operation(paths["metrics"], "Health", "Metrics for Prometheus", {200: str}, **anybody),
        Operation(paths["openapi"], "Health", "This document", {200: dict[str, Any]}, **anybody),
    ]  # fmt: skip


@cache
def document() -> dict[str, Any]:
    """The whole document, OpenAPI 3.1."""
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for one in operations():
        paths.setdefault(one.path, {})[one.method] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "NovaCron",
            "version": version("novacron-serving"),
            "description": "Chat and completions as in OpenAI's API, and what operates a cluster of workers. Where no "
            "key is configured, none is needed.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"tags": [one.tag], "summary": one.summary, "operationId": _name(one), "responses": {}}
    if one.role is not None:
        told["security"] = [{"key": []}]
        told["description"] = f"Needs a key with the role {one.role.value}, or a higher one."
    if parameters := [part[1:-1] for part in one.path.split("/") if part.startswith("{")]:
        told["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in parameters
        ]
    if one.asks is not None:
        schema = _request(one.asks, one, schemas)
        told["requestBody"] = {"required": one.body_needed, "content": {"application/json": {"schema": schema}}}
    for status, body in one.answers.items():
        told["responses"][str(status)] = _answer(body, schemas, streams=one.streams)
    errors = {*one.errors, *((401, 403, 503) if one.role is not None else ())}
    for status in sorted(errors):
        told["responses"][str(status)] = {
            "description": ERRORS[status],
            "content": {"application/json": {"schema": _schema(ErrorBody, schemas)}},
        }
    return told


def _name(one: Operation) -> str:
    return one.method + "".join(part.strip("{}").title() for part in one.path.replace("_", "/").split("/"))


def _answer(body: type | None, schemas: dict[str, Any], *, streams: bool) -> dict[str, Any]:
    if body is None:
        return {"description": "Done."}
    if body is str:
        return {"description": "As text.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    content = {"application/json": {"schema": _schema(body, schemas)}}
    if streams:
        return {"description": f"The answer. {_STREAMED}", "content": content | {"text/event-stream": {}}}
    return {"description": "The answer.", "content": content}


def _schema(kind: type, schemas: dict[str, Any]) -> dict[str, Any]:
    """A reference to a type's schema, which is put among the others with all that it refers to."""
    found = TypeAdapter(kind).json_schema(ref_template=REF)
    schemas |= found.pop("$defs", {})
    if "title" not in found:
        return found
    schemas[found["title"]] = found
    return {"$ref": REF.format(model=found["title"])}


def _request(kind: type[BaseModel], one: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    found = kind.model_json_schema(ref_template=REF)
    parts: dict[str, Any] = found.pop("$defs", {})
    if one.neutral is not None:  # null is the same as leaving a field out, there
        for part in (found, *parts.values()):
            _allow_null(part)
        for name in sorted(one.ignored):
            found["properties"][name] = {"description": "Accepted, and without effect."}
        for name, values in sorted(one.neutral.items()):
            said = "Not supported; these values ask for nothing." if values else "Not supported."
            found["properties"][name] = {"enum": [*values, None], "description": said}
    schemas |= parts | {kind.__name__: found}
    return {"$ref": REF.format(model=kind.__name__)}


def _allow_null(schema: dict[str, Any]) -> None:
    properties = cast("dict[str, dict[str, Any]]", schema.get("properties", {}))
    for name, value in properties.items():
        nulls = {"type": "null"} in value.get("anyOf", [])
        if name not in schema.get("required", []) and not nulls:
            kept = {key: value.pop(key) for key in ("default", "description") if key in value}
            properties[name] = {"anyOf": [value, {"type": "null"}]} | kept
