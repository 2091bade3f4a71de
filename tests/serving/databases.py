"""Real PostgreSQL and Redis servers on free loopback ports. Tests stop and restart them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.polling import free_port, wait_until

_POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []


def _program(name: str) -> str | None:
    return shutil.which(name) or next((str(folder / name) for folder in _POSTGRES if (folder / name).exists()), None)


needs_postgres = pytest.mark.skipif(
    not (_program("initdb") and _program("postgres")), reason="needs initdb and postgres: apt-get install postgresql"
)
needs_redis = pytest.mark.skipif(
    not _program("redis-server"), reason="needs redis-server on PATH: apt-get install redis-server"
)


class Server:
    """One server process with its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        wait_until(self.answers, "the server accepts connections", 20)

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.5).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # PostgreSQL: fast shutdown
            self._process.wait(20)
            self._process = None


class Redis(Server):
    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder)
        self._options = options

    def command(self) -> Sequence[str]:
        program = _program("redis-server")
        assert program
        common = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        return [program, *common, *self._options]

    def calls(self, command: str) -> int:
        """Return how often clients have sent a command."""
        import redis

        with redis.Redis(port=self.port) as client:
            statistics: dict[str, dict[str, int]] = client.info("commandstats")
        return statistics.get(f"cmdstat_{command}", {}).get("calls", 0)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class Postgres(Server):
    """PostgreSQL refuses to run as root. It then runs as an unprivileged user, who owns its folder."""

    def __init__(self, *, password_user: str | None = None) -> None:
        """Prepare a server. `password_user`: the user who needs a password; the others need none."""
        # Not in pytest's folders, which only their owner may enter.
        folder = Path(tempfile.mkdtemp(prefix="novacron-postgres-"))
        super().__init__(folder)
        self._data = folder / "data"
        self._as: list[str] = []
        if os.geteuid() == 0:
            user = "postgres" if _exists("postgres") else "daemon"
            self._as = ["setpriv", f"--reuid={user}", "--clear-groups"]
            shutil.chown(folder, user)
        initdb = _program("initdb")
        assert initdb
        subprocess.run(
            [*self._as, initdb, "-D", str(self._data), "-U", "tests", "--auth=trust", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
        if password_user is not None:
            rules = self._data / "pg_hba.conf"
            rules.write_text(f"host all {password_user} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")

    def command(self) -> Sequence[str]:
        program = _program("postgres")
        assert program
        return [
            *self._as, program, "-D", str(self._data), "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
            "-c", "unix_socket_directories=", "-c", "fsync=off",
        ]  # fmt: skip

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"postgresql://tests@127.0.0.1:{self.port}/postgres"

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _exists(user: str) -> bool:
    return subprocess.run(["id", user], capture_output=True, check=False).returncode == 0
