"""Authentication, limits and responses on the hot path, with scripted workers."""

from __future__ import annotations

import hashlib

import httpx
import openai
import pytest

from tests.polling import wait_until

from .gateway import Gateway, MakeGateway, body, said
from .scripted_worker import MODEL
from .stack import HTTP

pytestmark = pytest.mark.xdist_group("gateway")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic sk-user", "Bearer", "sk-user"])
def test_request_without_a_known_api_key_is_401(gateway: Gateway, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    for path in ("/v1/chat/completions", "/v1/models"):
        method = "GET" if path.endswith("models") else "POST"
        answer = HTTP.request(method, gateway.url + path, headers=headers, json=body({}) if method == "POST" else None)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"


def test_health_readiness_and_metrics_need_no_key(gateway: Gateway) -> None:
    assert [HTTP.get(gateway.url + path).status_code for path in ("/health", "/ready", "/metrics")] == [200] * 3


def test_loading_a_model_needs_the_operator_role(gateway: Gateway) -> None:
    url = f"{gateway.url}/api/v1/llm/models/{MODEL}/load"
    refused = HTTP.post(url, headers={"authorization": "Bearer sk-user"}, json={})
    assert refused.status_code == 403
    assert "operator" in refused.json()["error"]["message"]
    assert HTTP.post(url, headers={"authorization": "Bearer sk-admin"}, json={}).status_code == 200


def test_each_api_key_has_its_own_rate_limit(gateway: Gateway) -> None:
    statuses = [gateway.ask({}, key="sk-rare").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = gateway.ask({}, key="sk-rare")
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert gateway.ask({}).status_code == 200, "other keys are not limited"


def test_api_key_of_a_client_never_reaches_a_worker(gateway: Gateway) -> None:
    said(gateway.ask({"*": {}}))
    seen = [request for worker in ("a", "b") for request in gateway.seen(worker)["requests"]]
    assert seen
    assert all(request["headers"]["authorization"] == "Bearer of-the-tests" for request in seen)
    assert all(request["headers"]["x-request-id"] for request in seen)


def test_request_id_and_traceparent_reach_the_worker(gateway: Gateway) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"authorization": "Bearer sk-user", "x-request-id": "mine-1", "traceparent": trace}
    answer = HTTP.post(f"{gateway.url}/v1/chat/completions", json=body({}), headers=headers)
    assert answer.headers["x-request-id"] == "mine-1"
    seen = [request["headers"] for worker in ("a", "b") for request in gateway.seen(worker)["requests"]]
    assert [one["traceparent"] for one in seen if one["x-request-id"] == "mine-1"] == [trace]


def test_token_limit_counts_prompt_and_answer_of_whole_and_streamed_responses(fresh: MakeGateway) -> None:
    keys = [
        {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "tokens_per_minute": 100}
        for name in ("whole", "streams", "leaves")
    ]
    admin = {"name": "admin", "sha256": hashlib.sha256(b"sk-admin").hexdigest(), "role": "admin"}
    gateway = fresh(api_keys=[*keys, admin])
    gateway.start_workers("a")
    script = {"*": {"chunks": 120}}
    assert gateway.ask(script, key="whole").status_code == 200
    with gateway.stream(script, key="streams") as answer:
        assert ": usage" in answer.read().decode()
    with gateway.stream({"*": {"chunks": 300, "every_s": 0.002}}, key="leaves") as answer:
        lines = answer.iter_lines()
        for _ in range(500):
            next(lines)
    for key in ("whole", "streams", "leaves"):
        wait_until(lambda key=key: gateway.ask({}, key=key).status_code == 429, "its token limit is exhausted", 5)


def test_slow_reader_delays_no_other_client_and_receives_the_whole_stream(gateway: Gateway) -> None:
    chunks = 20_000
    with gateway.stream({"*": {"chunks": chunks}}) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert [gateway.ask({}).status_code for _ in range(5)] == [200] * 5
        assert sum(line.startswith("data: {") for line in lines) == chunks


def test_disconnecting_client_aborts_its_generation(gateway: Gateway) -> None:
    before = sum(gateway.seen(worker)["aborted"] for worker in ("a", "b"))
    with gateway.stream({"*": {"chunks": 1000, "every_s": 0.05}}) as answer:
        lines = answer.iter_lines()
        next(lines)
    leaving = httpx.Client(timeout=0.3)
    with pytest.raises(httpx.ReadTimeout):
        leaving.post(f"{gateway.url}/v1/chat/completions", json=body({"*": {"hang": True}}),
                     headers={"authorization": "Bearer sk-user"})  # fmt: skip
    leaving.close()
    wait_until(
        lambda: sum(gateway.seen(worker)["aborted"] for worker in ("a", "b")) == before + 2, "both are aborted", 5
    )
    wait_until(lambda: gateway.metric("trtllm_num_requests_running") == 0, "no request is in flight", 5)


def test_openai_client_streams_and_reports_an_unknown_model(gateway: Gateway) -> None:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-user", max_retries=0) as client:
        stream = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "{}"}], stream=True)
        assert len([chunk for chunk in stream if chunk.choices[0].delta.content]) == 4
        with pytest.raises(openai.NotFoundError, match="is not served"):
            client.chat.completions.create(model="gpt-unknown", messages=[{"role": "user", "content": "{}"}])
