"""What coordinators keep together: Postgres in production, SQLite on a laptop. Every call blocks: use a thread."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from novacron_serving.coordinator.access import ApiKey
from novacron_serving.coordinator.assignments import Assignment
from novacron_serving.errors import RequestError

_MIGRATING, _ASSIGNING = 6_013_200_405, 6_013_200_406
"""Postgres' advisory locks: coordinators start at the same time, and assign workers at the same time."""
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


class RegisteredModel(BaseModel):
    """A model of a store that can be loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    store_url: str
    digest: str
    """SHA-256 of its manifest's files."""
    quantization: str | None = None
    """Of its weights."""
    quality: float | None = None
    """0 to 1; None: not measured."""


class DatabaseGoneError(RequestError):
    """The database cannot be asked at the moment: 503 for who asked for what is in it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            503, f"the database cannot be asked at the moment: {reason}", kind="server_error", code="overloaded"
        )
        self.reason = reason


class Store:
    """The database of a URL such as `postgresql://user@host/name` or `sqlite:////folder/file`."""

    def __init__(self, url: str) -> None:
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

    def migrate(self) -> None:
        """Bring the tables to this version's shape. Raises `DatabaseGoneError`."""
        config = Config()
        config.set_main_option("script_location", str(files("novacron_serving.coordinator") / "migrations"))
        with self._transaction() as connection:
            self._lock(connection, _MIGRATING)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def keys(self) -> list[ApiKey]:
        """All keys. Raises `DatabaseGoneError`."""
        return self._all(_keys, ApiKey)

    def add_key(self, key: ApiKey) -> None:
        """Keep a key. Raises `DatabaseGoneError`, or `RequestError` (409) when its name is taken."""
        taken = f"name: there is a key named {key.name!r}; revoke it first, or take another name"
        self._add(_keys, key.model_dump(mode="json"), taken, "name")

    def remove_key(self, name: str) -> bool:
        """Forget a key; false: there is none of that name. Raises `DatabaseGoneError`."""
        with self._transaction() as connection:
            return connection.execute(sa.delete(_keys).where(_keys.c.name == name)).rowcount > 0

    def models(self) -> list[RegisteredModel]:
        """All models, by id. Raises `DatabaseGoneError`."""
        return sorted(self._all(_models, RegisteredModel), key=lambda model: model.id)

    def add_model(self, model: RegisteredModel) -> None:
        """Keep a model. Raises `DatabaseGoneError`, or `RequestError` (409) when its id is taken."""
        taken = f"there is a model named {model.id!r} already; publish this one under another id"
        self._add(_models, model.model_dump(), taken, "url")

    def set_quality(self, model_id: str, digest: str, quality: float) -> bool:
        """Keep a model's score; false: there is no such model with this digest. Raises `DatabaseGoneError`."""
        these = (_models.c.id == model_id) & (_models.c.digest == digest)
        with self._transaction() as connection:
            return connection.execute(sa.update(_models).where(these).values(quality=quality)).rowcount > 0

    def assignments(self) -> list[Assignment]:
        """The last of each worker. Raises `DatabaseGoneError`."""
        return self._all(_assignments, Assignment)

    def assign(self, given: Sequence[Assignment], latest: int) -> bool:
        """Keep assignments of one revision; false: there is one after `latest` already, and nothing was kept.

        Raises `DatabaseGoneError`.
        """
        now = dt.datetime.now(dt.timezone.utc)
        with self._transaction() as connection:
            self._lock(connection, _ASSIGNING)
            # SQLite takes its lock for writing here: what is read afterwards stays so.
            these = _assignments.c.worker_id.in_([one.worker_id for one in given])
            connection.execute(sa.delete(_assignments).where(these & (_assignments.c.revision <= latest)))
            later = sa.select(sa.func.count()).where(_assignments.c.revision > latest)
            if connection.execute(later).scalar_one():
                connection.rollback()
                return False
            connection.execute(sa.insert(_assignments), [one.model_dump() | {"created_at": now} for one in given])
        return True

    def remove_assignment(self, worker_id: str) -> None:
        """Forget a worker's. Raises `DatabaseGoneError`."""
        with self._transaction() as connection:
            connection.execute(sa.delete(_assignments).where(_assignments.c.worker_id == worker_id))

    def _all(self, table: sa.Table, kind: type[Row]) -> list[Row]:
        """All rows, each as what is kept in it."""
        columns = [table.c[name] for name in kind.model_fields]
        with self._transaction() as connection:
            rows: Sequence[sa.RowMapping] = connection.execute(sa.select(*columns)).mappings().all()
        return [kind.model_validate(dict(row)) for row in rows]

    def _lock(self, connection: sa.Connection, which: int) -> None:
        if self._postgres:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(which)))

    def _add(self, table: sa.Table, values: Mapping[str, object], taken: str, param: str) -> None:
        """A row more; `taken` says that its name is not free, which the field `param` is to change."""
        row = {**values, "created_at": dt.datetime.now(dt.timezone.utc)}
        try:
            with self._transaction() as connection:
                connection.execute(sa.insert(table).values(row))
        except DatabaseGoneError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise RequestError(409, taken, kind="invalid_request_error", param=param) from error
            raise

    @contextmanager
    def _transaction(self) -> Generator[sa.Connection]:
        """One transaction. Raises `DatabaseGoneError`, whose cause is the database's own error."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise DatabaseGoneError(" ".join(str(cause).split())[:200]) from error

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()


def needed(store: Store | None, what: str) -> Store:
    """The database for `what`. Raises `RequestError` (501) where there is none."""
    if store is None:
        raise RequestError(
            501, f"{what} in a database, and this coordinator has none: set database_url", kind="invalid_request_error"
        )
    return store
