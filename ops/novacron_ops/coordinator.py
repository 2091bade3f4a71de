"""Asking a stack's coordinator for its readiness and its workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError


class Readiness(BaseModel):
    """The body of `/ready`, which needs no API key."""

    ready: bool
    draining: bool
    active_workers: int
    minimum_workers: int
    degraded: dict[str, str] = {}


class _Counts(BaseModel):
    total_workers: int


class _Cluster(BaseModel):
    cluster: _Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorReport:
    """The answers of one coordinator."""

    readiness: Readiness
    total_workers: int
    """Workers that the coordinator knows, active or not."""
    cluster: dict[str, Any] | None = None
    """The body of the cluster's status, None if the coordinator did not return it."""
    refusal: str = ""
    """Why the coordinator did not return the status, as a clause; empty if it did."""


def ask_coordinator(endpoint: str, key: str | None, client: httpx.Client) -> CoordinatorReport | str:
    """Ask the coordinator at an endpoint for its readiness and its workers.

    Args:
        endpoint: base URL of the API, with `/v1`.
        key: an API key, None if the API needs none.
        client: HTTP client; its timeout applies to each of the two requests.

    Returns:
        The report, or a phrase that says why there is none, such as "does not answer".
    """
    base = endpoint.removesuffix("/v1")
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    try:
        readiness = Readiness.model_validate_json(client.get(f"{base}/ready").content)
        status = client.get(f"{base}/api/v1/llm/cluster/status", headers=headers)
    except httpx.InvalidURL as error:
        return f"is not a URL: {error}"
    except httpx.HTTPError as error:
        return f"does not answer: {str(error) or type(error).__name__}"
    except ValidationError:
        return "is not answered by a NovaCron coordinator"
    active = readiness.active_workers
    if status.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        refusal = f"the coordinator rejects the API key of this stack with {status.status_code}"
        return CoordinatorReport(readiness=readiness, total_workers=active, refusal=refusal)
    try:
        total = _Cluster.model_validate_json(status.raise_for_status().content).cluster.total_workers
    except (ValidationError, httpx.HTTPStatusError):
        refusal = f"the coordinator does not return the cluster's status (HTTP status {status.status_code})"
        return CoordinatorReport(readiness=readiness, total_workers=active, refusal=refusal)
    return CoordinatorReport(readiness=readiness, total_workers=total, cluster=status.json())
