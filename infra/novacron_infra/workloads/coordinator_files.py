"""Parts of a coordinator's configuration that name files of its pod: the API's certificate and logins of services."""

from __future__ import annotations

from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.names import NAMESPACE, POSTGRES, REDIS
from novacron_infra.workloads.serving_args import OwnDatabases, RedisLogin, ServiceLogin
from novacron_infra.workloads.serving_config import CoordinatorFile, RedisFile


def add_tls(file: CoordinatorFile, port: int) -> None:
    """Give the API a port with TLS."""
    file["tls"] = {
        "certificate": f"{contract.TLS_FOLDER}/{contract.CERTIFICATE_FILE}",
        "key": f"{contract.TLS_FOLDER}/{contract.KEY_FILE}",
        "port": port,
    }


def add_services(file: CoordinatorFile, database: ServiceLogin | None, redis: RedisLogin | None) -> None:
    """Say how the coordinator signs in to its database and to Redis. None: as their URLs say."""
    if database is not None and database.password_secret is not None:
        file["database_password_file"] = f"{contract.DATABASE_FOLDER}/{contract.PASSWORD_FILE}"
    if redis is not None:
        login: RedisFile = {"cluster": redis.cluster, "login": "google" if redis.google else "password"}
        if redis.one_host:
            login["one_host"] = True
        if redis.password_secret is not None:
            login["password_file"] = f"{contract.REDIS_FOLDER}/{contract.PASSWORD_FILE}"
        file["redis"] = login


def add_own_databases(file: CoordinatorFile, databases: OwnDatabases) -> None:
    """Name the servers that the stack runs itself. Only their passwords are secret."""
    if databases.postgres is not None:
        address = f"{POSTGRES}.{NAMESPACE}.svc:{contract.POSTGRES_PORT}"
        file["database_url"] = f"postgresql://novacron@{address}/novacron?sslmode=disable"
        file["database_password_file"] = f"{contract.DATABASE_FOLDER}/{contract.PASSWORD_FILE}"
    if databases.redis is not None:
        file["redis_url"] = f"redis://{REDIS}.{NAMESPACE}.svc:{contract.REDIS_PORT}"
        file["redis"] = {"password_file": f"{contract.REDIS_FOLDER}/{contract.PASSWORD_FILE}"}
