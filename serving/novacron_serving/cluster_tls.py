"""Mutual TLS between coordinators and workers: both sides present the cluster's certificate and require it.

Replaced files are read again. New connections use the new files, and existing connections continue. The coordinator's
port for clients is separate: see `tls` in its configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import ssl
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from pydantic import BaseModel, ConfigDict, Field

from novacron_serving.errors import StartError

CHECK_INTERVAL_S = 5.0
"""How often the files are checked for changes."""
REJECTION_S = 1.0
"""A server rejects a certificate within this time."""
CHANNEL = (("grpc.enable_http_proxy", 0),)
"""A proxy for internet access cannot reach the coordinator."""

log = logging.getLogger(__name__)


class ClusterTlsConfig(BaseModel):
    """The cluster's certificate in PEM, as in a secret of cert-manager. The same for coordinators and workers."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    certificate: Path
    """`tls.crt`, with intermediate certificates."""
    key: Path
    """`tls.key`, without a password."""
    ca: Path
    """`ca.crt`: the CA of the cluster's certificates. It may have several certificates while the CA is replaced."""
    server_name: str = Field(default="novacron-cluster", pattern=r"^[A-Za-z0-9.-]+$")
    """The DNS name in all certificates of the cluster. It replaces the host name, because addresses of workers change.
    Certificates of the same CA without this name are rejected."""


@dataclass(frozen=True, kw_only=True)
class _Files:
    """The validated contents of the files."""

    certificate: bytes
    key: bytes
    ca: bytes
    server: ssl.SSLContext
    client: ssl.SSLContext
    ends: dt.datetime


class ClusterTls:
    """The current certificate, for TLS and gRPC connections. Raises `StartError` for invalid files."""

    def __init__(self, config: ClusterTlsConfig) -> None:
        self.server_name = config.server_name
        self._config = config
        self._stamps, self._files = self._read()
        self._last_error = ""
        self.server = _server(config, self._files.ca)
        """For a listener. Each new connection uses the current certificate and CA."""
        self.server.sni_callback = self._select_context
        log.info("the cluster's certificate is valid until %s", self._files.ends)

    @property
    def client(self) -> ssl.SSLContext:
        """For the next outgoing connection, with `server_name`."""
        return self._files.client

    def has_cluster_name(self, names: Iterable[str]) -> bool:
        """Return whether a certificate of the CA with these DNS names belongs to the cluster."""
        return _contains_name(self.server_name, names)

    def server_credentials(self) -> grpc.ServerCredentials:
        """Return credentials for a gRPC server, which reads the current files at each connection."""
        return grpc.dynamic_ssl_server_credentials(self._for_grpc(), self._for_grpc, True)

    def channel(self, address: str) -> grpc.aio.Channel:
        """Return a gRPC channel with the current files."""
        files = self._files
        credentials = grpc.ssl_channel_credentials(files.ca, files.key, files.certificate)
        named = ("grpc.ssl_target_name_override", self.server_name)
        return grpc.aio.secure_channel(address, credentials, options=(*CHANNEL, named))

    async def distrust(self, address: str) -> str:
        """Return why TLS to a gRPC server fails, or an empty text for other problems. gRPC itself gives no reason."""
        host, _, port = address.rpartition(":")
        client = self._files.client
        client.set_alpn_protocols(["h2"])
        writer = None
        try:
            connecting = asyncio.open_connection(
                host.strip("[]"), int(port), ssl=client, server_hostname=self.server_name
            )
            reader, writer = await asyncio.wait_for(connecting, CHECK_INTERVAL_S)
            # The server checks the client's certificate after the handshake has finished on this side.
            await asyncio.wait_for(reader.read(), REJECTION_S)
        except ssl.SSLError as error:
            return describe_error(error)
        except asyncio.TimeoutError:
            return ""
        except OSError:
            if writer is None:
                return ""
        finally:
            if writer is not None:
                writer.transport.abort()
        return (
            "it closes the connection after this side has sent its certificate; check that both sides use the same CA"
        )

    def renew(self) -> None:
        """Read changed files. If they are invalid, log that once and continue with the previous certificate."""
        try:
            if _read_stamps(self._config) == self._stamps:
                return
            self._stamps, self._files = self._read()
        except StartError as error:
            if str(error) != self._last_error:
                log.warning("continuing with the previous certificate: %s", error)
            self._last_error = str(error)
            return
        self._last_error = ""
        log.info("the cluster's certificate was renewed and is valid until %s", self._files.ends)

    async def watch_files(self) -> None:
        """Check the files for changes until cancelled."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            self.renew()

    def _select_context(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext
    ) -> None:
        del name, context
        connection.context = self._files.server

    def _for_grpc(self) -> grpc.ServerCertificateConfiguration:
        files = self._files
        return grpc.ssl_server_certificate_configuration([(files.key, files.certificate)], files.ca)

    def _read(self) -> tuple[list[tuple[int, int]], _Files]:
        while True:
            stamps = _read_stamps(self._config)
            files = _read_files(self._config)
            if stamps == _read_stamps(self._config):  # otherwise, some files were replaced in between
                return stamps, files


def channel(address: str, tls: ClusterTls | None) -> grpc.aio.Channel:
    """Return a channel to a coordinator. It is not encrypted without `tls`."""
    return grpc.aio.insecure_channel(address, options=CHANNEL) if tls is None else tls.channel(address)


def read_dns_names(certificate: Any) -> list[str]:
    """Return the DNS names of a certificate from `getpeercert`, or an empty list without a certificate."""
    return [name for kind, name in (certificate or {}).get("subjectAltName", ()) if kind == "DNS"]


def _contains_name(server_name: str, names: Iterable[str]) -> bool:
    return server_name.lower() in (name.lower() for name in names)


def describe_error(error: ssl.SSLError) -> str:
    """Describe a TLS error, and which side causes it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (*_SELF_SIGNED, *_NO_ISSUER):
            return "its certificate is not signed by a CA that this side trusts"
        return f"its certificate is rejected: {error.verify_message}"
    reason = error.reason or str(error)
    if reason == "WRONG_VERSION_NUMBER":
        return "it does not use TLS; set cluster_tls there too"
    if "ALERT" in reason:
        return f"it rejects this side's certificate ({reason.lower().replace('_', ' ')})"
    return f"TLS error: {reason.lower().replace('_', ' ')}"


def _read_stamps(config: ClusterTlsConfig) -> list[tuple[int, int]]:
    stamps: list[tuple[int, int]] = []
    for field in ("certificate", "key", "ca"):
        with _checked_path(config, field) as path:
            found = path.stat()
            stamps.append((found.st_ino, found.st_mtime_ns))
    return stamps


def _read_files(config: ClusterTlsConfig) -> _Files:
    content: dict[str, bytes] = {}
    for field in ("certificate", "key", "ca"):
        with _checked_path(config, field) as path:
            content[field] = path.read_bytes()
    server, client = _server(config, content["ca"]), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _prepare(client, config, content["ca"])
    try:
        shown = _shake_hands(server, client, config.server_name)
    except ssl.SSLCertVerificationError as error:
        fix = _FIXES.get(error.verify_code, "issue it again")
        reason = f"{error.verify_message.rstrip('.')}; {fix}"
        raise StartError(
            f"{_describe_file(config, 'certificate')} is not valid with {_describe_file(config, 'ca')}: {reason}"
        ) from error
    except ssl.SSLError as error:
        raise StartError(f"{_describe_file(config, 'certificate')} cannot be used: {error}; issue it again") from error
    if not _contains_name(config.server_name, read_dns_names(shown)):  # a wildcard does not count
        raise StartError(
            f"{_describe_file(config, 'certificate')} does not have the DNS name {config.server_name}; {_FIXES[_NAME]}"
        )
    ends = dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), dt.timezone.utc)
    return _Files(**content, server=server, client=client, ends=ends)


_EXPIRED, _NOT_YET, _SELF_SIGNED, _NO_ISSUER, _PURPOSE, _NAME = 10, 9, (18, 19), (2, 20, 21), 26, 62
"""OpenSSL's error numbers `X509_V_ERR_…`."""
_FIXES = {
    _EXPIRED: "renew it",
    _NOT_YET: "check this machine's clock",
    **dict.fromkeys((*_SELF_SIGNED, *_NO_ISSUER), "it is not signed by this CA; use both from the same issuer"),
    _PURPOSE: "it needs the usages server auth and client auth",
    _NAME: "add cluster_tls.server_name to its DNS names",
}


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> Any:
    """Perform a handshake with these files as both sides, and return the certificate. Raises what peers would raise."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = client.wrap_bio(to_client, to_server, server_hostname=name)
    server_side = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (client_side, server_side, client_side, server_side):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return server_side.getpeercert()


def _server(config: ClusterTlsConfig, ca: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Probes have no certificate. `worker.client_certificates` restricts them to health, readiness and metrics.
    context.verify_mode = ssl.CERT_OPTIONAL
    context.num_tickets = 0  # a resumed session would not be checked against a new CA
    _prepare(context, config, ca)
    return context


def _prepare(context: ssl.SSLContext, config: ClusterTlsConfig, ca: bytes) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the CA may be an intermediate CA
    try:
        context.load_verify_locations(cadata=ca.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError) as error:
        raise StartError(
            f"{_describe_file(config, 'ca')} has no certificate in PEM; mount the CA's ca.crt there"
        ) from error
    try:
        context.load_cert_chain(
            config.certificate, config.key, password=""
        )  # without it, an encrypted key would prompt for a password
    except (OSError, ValueError) as error:
        raise StartError(_wrong_pair(config, error)) from error


def _wrong_pair(config: ClusterTlsConfig, error: Exception) -> str:
    certificate, key = _describe_file(config, "certificate"), _describe_file(config, "key")
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"{key} is not the key of {certificate}; replace both together"
    try:
        alone = config.certificate.read_text("ascii", "ignore")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=alone)
    except (OSError, ValueError):
        return f"{certificate} has no certificate in PEM; mount the cluster's tls.crt there"
    return f"{key} has no unencrypted key in PEM; mount the cluster's tls.key there"


@contextlib.contextmanager
def _checked_path(config: ClusterTlsConfig, field: str) -> Generator[Path, None, None]:
    """Yield a file's path. An error while reading it becomes a `StartError` that names the file."""
    try:
        yield getattr(config, field)
    except OSError as error:
        named = _describe_file(config, field)
        raise StartError(f"{named} cannot be read: {error.strerror}; mount the cluster's secret there") from error


def _describe_file(config: ClusterTlsConfig, field: str) -> str:
    return f"cluster_tls.{field} {str(getattr(config, field))!r}"
