"""The database that coordinators share: PostgreSQL in production, SQLite on one machine.

Every call blocks: run it in a thread.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from pydantic import BaseModel
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from novacron_serving.coordinator.limits.authentication import ApiKey
from novacron_serving.coordinator.passwords import read_password
from novacron_serving.coordinator.registry.records import Assignment, RegisteredModel
from novacron_serving.errors import RequestError

_MIGRATION_LOCK, _ASSIGNMENT_LOCK = 6_013_200_405, 6_013_200_406
"""PostgreSQL's advisory locks, because coordinators start and assign workers at the same time."""
_TIMEOUT_S = 5
Row = TypeVar("Row", bound=BaseModel)

_metadata = sa.MetaData()
_keys = sa.Table(
    "api_keys",
    _metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("sha256", sa.String),
    sa.Column("role", sa.String),
    sa.Column("priority", sa.Integer),
    sa.Column("requests_per_minute", sa.Integer),
    sa.Column("tokens_per_minute", sa.Integer),
    sa.Column("cache", sa.String),
    sa.Column("created_at", sa.DateTime(timezone=True)),
)


_models = sa.Table(
    "models",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("store_url", sa.String),
    sa.Column("digest", sa.String),
    sa.Column("quantization", sa.String),
    sa.Column("quality", sa.Float),
    sa.Column("created_at", sa.DateTime(timezone=True)),
)

_assignments = sa.Table(
    "assignments",
    _metadata,
    sa.Column("worker_id", sa.String, primary_key=True),
    sa.Column("revision", sa.BigInteger),
    sa.Column("assignment_id", sa.String),
    sa.Column("model_id", sa.String),
    sa.Column("store_url", sa.String),
    sa.Column("digest", sa.String),
    sa.Column("created_at", sa.DateTime(timezone=True)),
)


class DatabaseUnavailableError(RequestError):
    """The database is unavailable: 503 for requests that need it."""

    def __init__(self, reason: str) -> None:
        super().__init__(503, f"the database is unavailable: {reason}", kind="server_error", code="overloaded")
        self.reason = reason


class Store:
    """The tables for API keys, models and assignments."""

    def __init__(self, url: str, password_file: Path | None = None) -> None:
        """Prepare connections.

        Args:
            url: for example `postgresql://user@host/name` or `sqlite:////folder/file`.
            password_file: file with the password, which is read for every new connection. None: the URL's password.
        """
        parsed = sa.make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        postgres = parsed.get_backend_name() == "postgresql"
        self._postgres = postgres
        self._engine = sa.create_engine(
            parsed,
            pool_pre_ping=True,
            connect_args={"connect_timeout": _TIMEOUT_S} if postgres else {"timeout": _TIMEOUT_S},
        )
        if password_file is not None:
            _read_password_when_connecting(self._engine, password_file)

    def migrate(self) -> None:
        """Create the tables, or migrate them to this version. Raises `DatabaseUnavailableError`."""
        config = Config()
        config.set_main_option("script_location", str(files("novacron_serving.coordinator.registry") / "migrations"))
        with self._transaction() as connection:
            self._lock(connection, _MIGRATION_LOCK)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def keys(self) -> list[ApiKey]:
        """Return all API keys. Raises `DatabaseUnavailableError`."""
        return self._all(_keys, ApiKey)

    def add_key(self, key: ApiKey) -> None:
        """Add an API key. Raises `DatabaseUnavailableError`, or `RequestError` (409) if its name is taken."""
        taken = f"a key named {key.name!r} already exists; revoke it first, or use another name"
        self._add(_keys, key.model_dump(mode="json"), taken, "name")

    def remove_key(self, name: str) -> bool:
        """Delete an API key; return False if none has this name. Raises `DatabaseUnavailableError`."""
        with self._transaction() as connection:
            return connection.execute(sa.delete(_keys).where(_keys.c.name == name)).rowcount > 0

    def models(self) -> list[RegisteredModel]:
        """Return all models, sorted by id. Raises `DatabaseUnavailableError`."""
        return sorted(self._all(_models, RegisteredModel), key=lambda model: model.id)

    def add_model(self, model: RegisteredModel) -> None:
        """Add a model. Raises `DatabaseUnavailableError`, or `RequestError` (409) if its id is taken."""
        taken = f"a model named {model.id!r} already exists; publish this one under another id"
        self._add(_models, model.model_dump(), taken, "url")

    def set_quality(self, model_id: str, digest: str, quality: float) -> bool:
        """Set a model's quality score; return False if it has another digest. Raises `DatabaseUnavailableError`."""
        these = (_models.c.id == model_id) & (_models.c.digest == digest)
        with self._transaction() as connection:
            return connection.execute(sa.update(_models).where(these).values(quality=quality)).rowcount > 0

    def assignments(self) -> list[Assignment]:
        """Return the latest assignment of each worker. Raises `DatabaseUnavailableError`."""
        return self._all(_assignments, Assignment)

    def assign(self, made: Sequence[Assignment], latest: int) -> bool:
        """Store new assignments.

        Args:
            made: the assignments, which have the same revision.
            latest: the latest revision that the caller knows.

        Returns:
            False: the database has a later revision, and nothing was stored.

        Raises:
            DatabaseUnavailableError: the database is unavailable.
        """
        now = dt.datetime.now(dt.timezone.utc)
        with self._transaction() as connection:
            self._lock(connection, _ASSIGNMENT_LOCK)
            # This write takes SQLite's lock, so that the query below stays valid until the end of the transaction.
            replaced = _assignments.c.worker_id.in_([one.worker_id for one in made])
            connection.execute(sa.delete(_assignments).where(replaced & (_assignments.c.revision <= latest)))
            later = sa.select(sa.func.count()).where(_assignments.c.revision > latest)
            if connection.execute(later).scalar_one():
                connection.rollback()
                return False
            connection.execute(sa.insert(_assignments), [one.model_dump() | {"created_at": now} for one in made])
        return True

    def remove_assignment(self, worker_id: str) -> None:
        """Delete the assignment of a worker. Raises `DatabaseUnavailableError`."""
        with self._transaction() as connection:
            connection.execute(sa.delete(_assignments).where(_assignments.c.worker_id == worker_id))

    def _all(self, table: sa.Table, kind: type[Row]) -> list[Row]:
        """Return all rows of a table."""
        columns = [table.c[name] for name in kind.model_fields]
        with self._transaction() as connection:
            rows: Sequence[sa.RowMapping] = connection.execute(sa.select(*columns)).mappings().all()
        return [kind.model_validate(dict(row)) for row in rows]

    def _lock(self, connection: sa.Connection, lock: int) -> None:
        if self._postgres:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))

    def _add(self, table: sa.Table, values: Mapping[str, object], taken: str, param: str) -> None:
        """Insert a row.

        Args:
            table: the table.
            values: the row.
            taken: error message if its name is taken.
            param: the request's field with the name.
        """
        row = {**values, "created_at": dt.datetime.now(dt.timezone.utc)}
        try:
            with self._transaction() as connection:
                connection.execute(sa.insert(table).values(row))
        except DatabaseUnavailableError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise RequestError(409, taken, kind="invalid_request_error", param=param) from error
            raise

    @contextmanager
    def _transaction(self) -> Generator[sa.Connection]:
        """Run a transaction. Raises `DatabaseUnavailableError`, with the database's error as its cause."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise DatabaseUnavailableError(" ".join(str(cause).split())[:200]) from error

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _read_password_when_connecting(engine: sa.Engine, file: Path) -> None:
    def add_password(_dialect: object, _record: object, _args: object, parameters: dict[str, Any]) -> None:
        try:
            parameters["password"] = read_password(file)
        except OSError as error:
            reason = f"database_password_file {str(file)!r} cannot be read: {error.strerror}"
            raise DatabaseUnavailableError(reason) from error

    event.listen(engine, "do_connect", add_password)


def require_database(store: Store | None, purpose: str) -> Store:
    """Return the database.

    Args:
        store: the database, if there is one.
        purpose: what needs it, as the subject of a sentence.

    Raises:
        RequestError: 501, the coordinator has no database.
    """
    if store is None:
        raise RequestError(
            501,
            f"{purpose} need a database, and this coordinator has none; set database_url",
            kind="invalid_request_error",
        )
    return store
