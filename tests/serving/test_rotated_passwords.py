"""Passwords and tokens of databases that change while a coordinator runs, and a Redis cluster."""

from __future__ import annotations

import asyncio
import json
import threading
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis.asyncio
from novacron_serving.coordinator.redis_client import UNAVAILABLE, RedisConfig, RedisLogin
from novacron_serving.errors import StartError
from pydantic import ValidationError

from tests.polling import free_port, wait_until

from .databases import Postgres, Redis, needs_postgres, needs_redis
from .gateway import Gateway
from .stack import HTTP

pytestmark = pytest.mark.xdist_group("gateway")


def degraded(gateway: Gateway) -> dict[str, str]:
    return HTTP.get(f"{gateway.url}/ready").json()["degraded"]


@contextmanager
def running(folder: Path, **config: Any) -> Generator[Gateway]:
    gateway = Gateway(folder, minimum_workers=0, **config)
    try:
        yield gateway
    finally:
        gateway.stop()


@needs_postgres
def test_rotated_database_password_is_read_again(tmp_path: Path) -> None:
    postgres, file = Postgres(password_user="novacron"), tmp_path / "password"
    file.write_text("it's the first/@:%\n")
    try:
        postgres.start()
        with psycopg.connect(postgres.url, autocommit=True) as admin:
            admin.execute("create role novacron superuser login password 'it''s the first/@:%'")
            url = postgres.url.replace("tests@", "novacron@")
            with running(tmp_path / "run", database_url=url, database_password_file=str(file)) as gateway:
                assert degraded(gateway) == {}
                admin.execute("alter role novacron password 'second'")
                admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'novacron'")
                wait_until(lambda: "password" in degraded(gateway).get("database", ""), "the old one is rejected", 15)
                file.unlink()
                wait_until(lambda: str(file) in degraded(gateway).get("database", ""), "the file is missing", 15)
                file.write_text("second")
                wait_until(lambda: degraded(gateway) == {}, "the new one is accepted", 15)
    finally:
        postgres.remove()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[Redis]]:
    """Two nodes, each with half of the slots, and the password `first`."""
    nodes: list[Redis] = []
    buses = free_port(), free_port()
    try:
        for at, slots in enumerate(((0, 8191), (8192, 16383))):
            (folder := tmp_path / f"redis-{at}").mkdir()
            node = Redis(folder, "--cluster-enabled", "yes", "--cluster-port", str(buses[at]))
            nodes.append(node)
            node.start()
            with redis.Redis(port=node.port) as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", *slots)
                client.config_set("requirepass", "first")
        with redis.Redis(port=nodes[0].port, password="first") as client:
            client.execute_command("CLUSTER MEET", "127.0.0.1", nodes[1].port, buses[1])
            wait_until(
                lambda: "'cluster_state': 'ok'" in str(client.execute_command("CLUSTER INFO")), "the cluster is up"
            )
        yield nodes
    finally:
        for node in nodes:
            node.stop()


@needs_redis
def test_redis_cluster_shares_rate_limits_and_its_rotated_password_is_read_again(
    tmp_path: Path, cluster: list[Redis]
) -> None:
    file = tmp_path / "password"
    file.write_text("first")
    settings = {"cluster": True, "password_file": str(file)}
    keys = [f"team-{at}" for at in range(8)]

    def counters(password: str) -> list[int]:
        """Return how many counters of rate limits each node has."""
        found: list[int] = []
        for node in cluster:
            with redis.Redis(port=node.port, password=password) as client:
                found.append(len(client.keys("novacron:used:*")))
        return found

    url = f"redis://127.0.0.1:{cluster[0].port}"
    database = f"sqlite:///{tmp_path}/keys.db"
    with running(tmp_path / "run", redis_url=url, redis=settings, database_url=database) as gateway:
        for key in keys:
            answer = HTTP.post(
                f"{gateway.url}/api/v1/llm/keys",
                json={"name": key, "requests_per_minute": 5},
                headers={"authorization": "Bearer sk-admin"},
            )
            assert answer.status_code == 201
        wait_until(lambda: all(counters("first")), "both nodes have counters", 20)
        assert sum(counters("first")) >= len(keys)
        assert degraded(gateway) == {}
        for node in cluster:
            with redis.Redis(port=node.port, password="first") as client:
                client.config_set("requirepass", "second")
                client.execute_command("CLIENT KILL TYPE normal SKIPME yes")
        wait_until(lambda: "redis" in degraded(gateway), "the old password is rejected", 20)
        file.write_text("second")
        wait_until(lambda: degraded(gateway) == {}, "the new password is accepted", 20)


async def ping(config: RedisConfig, url: str, times: int = 1) -> list[object]:
    """Return the responses of Redis to a client, or its errors."""
    client, responses = config.connect(url, 5), list[object]()
    try:
        for _ in range(times):
            try:
                responses.append(await client.ping())
            except UNAVAILABLE as error:
                responses.append(str(error))
    finally:
        await client.aclose()
    return responses


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Redis]:
    (folder := tmp_path / "redis").mkdir()
    server = Redis(folder, "--requirepass", "ya29.token")
    server.start()
    yield server
    server.stop()


@needs_redis
@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), (b"\xff", "it is not UTF-8")],
    ids=["missing", "binary"],
)
def test_no_connection_is_used_while_the_password_cannot_be_read(
    tmp_path: Path, redis_server: Redis, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    responses = asyncio.run(ping(RedisConfig(password_file=file), redis_server.url, times=2))
    assert [str(response).partition("] ")[2] for response in responses] == [f"{reason}: {str(file)!r}"] * 2
    file.write_text("ya29.token")
    assert asyncio.run(ping(RedisConfig(password_file=file), redis_server.url)) == [True]


@contextmanager
def metadata_server(monkeypatch: pytest.MonkeyPatch, body: bytes, length: int) -> Generator[list[str]]:
    """Serve a response in place of the metadata server. Yields the requests, in lower case."""
    asked: list[str] = []

    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.headers['Metadata-Flavor']} {self.path}".lower())
            self.send_response(200)
            self.send_header("content-length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002

    server = HTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{server.server_port}")
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


@needs_redis
def test_access_token_of_the_metadata_server_signs_in_to_redis(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps({"access_token": "ya29.token", "expires_in": 3599}).encode()
    with metadata_server(monkeypatch, body, len(body)) as asked:
        assert asyncio.run(ping(RedisConfig(login=RedisLogin.GOOGLE), redis_server.url)) == [True]
    assert asked == ["google /computemetadata/v1/instance/service-accounts/default/token"]


@needs_redis
@pytest.mark.parametrize(
    ("body", "reason"), [(b'{"access', "IncompleteRead"), (b"<html>" + b" " * 94, "Expecting value")]
)
def test_a_metadata_server_without_a_token_is_named(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch, body: bytes, reason: str
) -> None:
    with metadata_server(monkeypatch, body, 100):
        (response,) = asyncio.run(ping(RedisConfig(login=RedisLogin.GOOGLE), redis_server.url))
    assert f"returned no access token: {reason}" in str(response)


@needs_redis
def test_user_of_redis_url_signs_in_with_the_password_file(tmp_path: Path, redis_server: Redis) -> None:
    (file := tmp_path / "password").write_text("second")
    with redis.Redis(port=redis_server.port, password="ya29.token") as admin:
        admin.acl_setuser("team:a", enabled=True, passwords=["+second"], commands=["+ping"])
    url = redis_server.url.replace("://", "://team%3Aa@")
    assert asyncio.run(ping(RedisConfig(password_file=file), url)) == [True]


@pytest.mark.parametrize("url", ["redis.example.com:6379", "rediss://:xyz/cret@redis.example.com:6379"])
def test_invalid_redis_url_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(StartError) as caught:
        RedisConfig().connect(url, 5)
    (message,) = traceback.format_exception_only(caught.value)
    assert "redis_url is invalid; use redis://host:port or rediss://host:port" in message
    assert caught.value.__suppress_context__, "the traceback would show a part of the password"
    assert "xyz" not in message


def test_nodes_of_a_cluster_with_one_host_are_reached_by_its_name() -> None:
    config = RedisConfig(cluster=True, one_host=True)
    client = config.connect("rediss://cache.example.com:10000", 5)
    assert isinstance(client, redis.asyncio.RedisCluster)
    assert client.nodes_manager.remap_host_port("10.0.0.7", 8501) == ("cache.example.com", 8501)
    with pytest.raises(ValidationError, match="one_host is for the nodes of a cluster"):
        RedisConfig(one_host=True)


def test_two_passwords_of_redis_are_rejected() -> None:
    config = RedisConfig(password_file=Path("/etc/novacron/redis/password"))
    with pytest.raises(StartError, match="redis_url has a password"):
        config.connect("rediss://:secret@redis.example.com:6379", 5)
    with pytest.raises(ValueError, match="login is google, which uses no password"):
        RedisConfig(login=RedisLogin.GOOGLE, password_file=Path("/etc/novacron/redis/password"))
