"""What coordinators keep together: Postgres in production, SQLite on a laptop. Every call blocks: use a thread."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from importlib.resources import files

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from novacron_serving.coordinator.access import ApiKey
from novacron_serving.errors import RequestError, ServingError

_MIGRATING = 6_013_200_405
"""Postgres' advisory lock while tables are made: coordinators start at the same time."""
_TIMEOUT_S = 5

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


class DatabaseGoneError(ServingError):
    """The database cannot be asked at the moment."""


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
        try:
            with self._engine.begin() as connection:
                if self._postgres:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except SQLAlchemyError as error:
            raise _gone(error) from error

    def keys(self) -> list[ApiKey]:
        """All keys. Raises `DatabaseGoneError`."""
        columns = [_keys.c[name] for name in ApiKey.model_fields]
        try:
            with self._engine.connect() as connection:
                rows: Sequence[sa.RowMapping] = connection.execute(sa.select(*columns)).mappings().all()
        except SQLAlchemyError as error:
            raise _gone(error) from error
        return [ApiKey.model_validate(dict(row)) for row in rows]

    def add_key(self, key: ApiKey) -> None:
        """Keep a key. Raises `DatabaseGoneError`, or `RequestError` (409) when its name is taken."""
        values = key.model_dump(mode="json") | {"created_at": dt.datetime.now(dt.timezone.utc)}
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(_keys).values(values))
        except IntegrityError as error:
            raise RequestError(
                409, f"name: there is a key named {key.name!r}; revoke it first, or take another name",
                kind="invalid_request_error", param="name",
            ) from error  # fmt: skip
        except SQLAlchemyError as error:
            raise _gone(error) from error

    def remove_key(self, name: str) -> bool:
        """Forget a key; false: there is none of that name. Raises `DatabaseGoneError`."""
        try:
            with self._engine.begin() as connection:
                return connection.execute(sa.delete(_keys).where(_keys.c.name == name)).rowcount > 0
        except SQLAlchemyError as error:
            raise _gone(error) from error

    def models(self) -> list[RegisteredModel]:
        """All models, by id. Raises `DatabaseGoneError`."""
        columns = [_models.c[name] for name in RegisteredModel.model_fields]
        try:
            with self._engine.connect() as connection:
                rows: Sequence[sa.RowMapping] = (
                    connection.execute(sa.select(*columns).order_by(_models.c.id)).mappings().all()
                )
        except SQLAlchemyError as error:
            raise _gone(error) from error
        return [RegisteredModel.model_validate(dict(row)) for row in rows]

    def add_model(self, model: RegisteredModel) -> None:
        """Keep a model. Raises `DatabaseGoneError`, or `RequestError` (409) when its id is taken."""
        values = model.model_dump() | {"created_at": dt.datetime.now(dt.timezone.utc)}
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(_models).values(values))
        except IntegrityError as error:
            raise RequestError(
                409, f"there is a model named {model.id!r} already; publish this one under another id",
                kind="invalid_request_error", param="url",
            ) from error  # fmt: skip
        except SQLAlchemyError as error:
            raise _gone(error) from error

    def set_quality(self, model_id: str, digest: str, quality: float) -> bool:
        """Keep a model's score; false: there is no such model with this digest. Raises `DatabaseGoneError`."""
        these = (_models.c.id == model_id) & (_models.c.digest == digest)
        try:
            with self._engine.begin() as connection:
                return connection.execute(sa.update(_models).where(these).values(quality=quality)).rowcount > 0
        except SQLAlchemyError as error:
            raise _gone(error) from error

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()


def _gone(error: SQLAlchemyError) -> DatabaseGoneError:
    cause = getattr(error, "orig", None) or error
    return DatabaseGoneError(" ".join(str(cause).split())[:200])
