"""TLS between coordinators and workers: each side shows the cluster's certificate, and accepts only such ones.

Files that are replaced are read again; what comes then has the new ones, what is under way goes on. Not for the
coordinator's port for clients: that is `tls` of its configuration.
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

LOOK_S = 5.0
"""How often the files are looked at."""
REFUSAL_S = 1.0
"""Within this a server has refused a certificate."""
CHANNEL = (("grpc.enable_http_proxy", 0),)
"""A proxy for the internet does not lead to the coordinator."""

log = logging.getLogger(__name__)


class ClusterTlsConfig(BaseModel):
    """The cluster's certificate, in PEM, as a Kubernetes secret of cert-manager holds it; the same on both sides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: Path
    """`tls.crt`, with what lies between it and the CA."""
    key: Path
    """`tls.key`, without a password."""
    ca: Path
    """`ca.crt`: what signs the cluster's certificates; several while it is replaced by another one."""
    server_name: str = Field(default="novacron-cluster", pattern=r"^[A-Za-z0-9.-]+$")
    """The DNS name that all certificates of the cluster bear. Workers are reached by addresses, which change; and a CA
    may sign for others too, who must not pass for the cluster."""


@dataclass(frozen=True, kw_only=True)
class _Files:
    """What the files hold, checked."""

    certificate: bytes
    key: bytes
    ca: bytes
    server: ssl.SSLContext
    client: ssl.SSLContext
    ends: dt.datetime


class ClusterTls:
    """The files as they are now, in the forms that each connection needs. Raises `StartError` for wrong ones."""

    def __init__(self, config: ClusterTlsConfig) -> None:
        self.server_name = config.server_name
        self._config = config
        self._seen, self._files = self._read()
        self._trouble = ""
        self.server = _server(config, self._files.ca)
        """For a listener: each connection gets the certificate, and the CA, of its time."""
        self.server.sni_callback = self._choose
        log.info("the cluster's certificate is valid until %s", self._files.ends)

    @property
    def client(self) -> ssl.SSLContext:
        """For the next connection; with `server_name`."""
        return self._files.client

    def bears_the_name(self, names: Iterable[str]) -> bool:
        """Whether a certificate of the CA, with these DNS names, is one of the cluster."""
        return _among(self.server_name, names)

    def server_credentials(self) -> grpc.ServerCredentials:
        """For gRPC, which asks for the files at each connection."""
        return grpc.dynamic_ssl_server_credentials(self._for_grpc(), self._for_grpc, True)

    def channel(self, address: str) -> grpc.aio.Channel:
        """A channel with the files of now."""
        files = self._files
        credentials = grpc.ssl_channel_credentials(files.ca, files.key, files.certificate)
        named = ("grpc.ssl_target_name_override", self.server_name)
        return grpc.aio.secure_channel(address, credentials, options=(*CHANNEL, named))

    async def distrust(self, address: str) -> str:
        """Why a gRPC server and this side do not trust each other; empty: that is not it. gRPC itself hardly says."""
        host, _, port = address.rpartition(":")
        asking = self._files.client
        asking.set_alpn_protocols(["h2"])
        writer = None
        try:
            connecting = asyncio.open_connection(
                host.strip("[]"), int(port), ssl=asking, server_hostname=self.server_name
            )
            reader, writer = await asyncio.wait_for(connecting, LOOK_S)
            # The other side looks at a certificate only when this one has finished.
            await asyncio.wait_for(reader.read(), REFUSAL_S)
        except ssl.SSLError as error:
            return why(error)
        except asyncio.TimeoutError:
            return ""
        except OSError:
            if writer is None:
                return ""
        finally:
            if writer is not None:
                writer.transport.abort()
        return (
            "it ends the connection when it has seen this side's certificate; the CA that it trusts has not signed that"
        )

    def renew(self) -> None:
        """Read files that have changed. Wrong ones are told once, and those that were there stay in use."""
        try:
            if _stamps(self._config) == self._seen:
                return
            self._seen, self._files = self._read()
        except StartError as error:
            if str(error) != self._trouble:
                log.warning("goes on with the certificate it has: %s", error)
            self._trouble = str(error)
            return
        self._trouble = ""
        log.info("the cluster's certificate was renewed; it is valid until %s", self._files.ends)

    async def keep(self) -> None:
        """Look at the files until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.renew()

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        del name, context
        connection.context = self._files.server

    def _for_grpc(self) -> grpc.ServerCertificateConfiguration:
        files = self._files
        return grpc.ssl_server_certificate_configuration([(files.key, files.certificate)], files.ca)

    def _read(self) -> tuple[list[tuple[int, int]], _Files]:
        while True:
            stamps = _stamps(self._config)
            files = _read(self._config)
            if stamps == _stamps(self._config):  # or it is of two generations
                return stamps, files


def channel(address: str, tls: ClusterTls | None) -> grpc.aio.Channel:
    """To a coordinator; without `tls` not encrypted."""
    return grpc.aio.insecure_channel(address, options=CHANNEL) if tls is None else tls.channel(address)


def dns_names(certificate: Any) -> list[str]:
    """Of a certificate as `getpeercert` gives it; none of none."""
    return [name for kind, name in (certificate or {}).get("subjectAltName", ()) if kind == "DNS"]


def _among(server_name: str, names: Iterable[str]) -> bool:
    return server_name.lower() in (name.lower() for name in names)


def why(error: ssl.SSLError) -> str:
    """A failure of TLS in words that say which side is at fault."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (*_SELF_SIGNED, *_NO_ISSUER):
            return "its certificate is not signed by the CA that is trusted here"
        return f"its certificate is not accepted: {error.verify_message}"
    reason = error.reason or str(error)
    if reason == "WRONG_VERSION_NUMBER":
        return "it does not speak TLS; set cluster_tls there too"
    if "ALERT" in reason:
        return f"it does not accept this side's certificate ({reason.lower().replace('_', ' ')})"
    return f"TLS fails: {reason.lower().replace('_', ' ')}"


def _stamps(config: ClusterTlsConfig) -> list[tuple[int, int]]:
    stamps: list[tuple[int, int]] = []
    for field in ("certificate", "key", "ca"):
        with _readable(config, field) as path:
            found = path.stat()
            stamps.append((found.st_ino, found.st_mtime_ns))
    return stamps


def _read(config: ClusterTlsConfig) -> _Files:
    content: dict[str, bytes] = {}
    for field in ("certificate", "key", "ca"):
        with _readable(config, field) as path:
            content[field] = path.read_bytes()
    server, client = _server(config, content["ca"]), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _prepare(client, config, content["ca"])
    try:
        shown = _shake_hands(server, client, config.server_name)
    except ssl.SSLCertVerificationError as error:
        fix = _FIXES.get(error.verify_code, "have it signed again")
        reason = f"{error.verify_message.rstrip('.')}; {fix}"
        raise StartError(
            f"{_named(config, 'certificate')} is not accepted with {_named(config, 'ca')}: {reason}"
        ) from error
    except ssl.SSLError as error:
        raise StartError(f"{_named(config, 'certificate')} cannot be used: {error}; have it signed again") from error
    if not _among(config.server_name, dns_names(shown)):  # a wildcard is not the name
        raise StartError(f"{_named(config, 'certificate')} does not bear {config.server_name}; {_FIXES[_NAME]}")
    ends = dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), dt.timezone.utc)
    return _Files(**content, server=server, client=client, ends=ends)


_EXPIRED, _NOT_YET, _SELF_SIGNED, _NO_ISSUER, _PURPOSE, _NAME = 10, 9, (18, 19), (2, 20, 21), 26, 62
"""OpenSSL's numbers, `X509_V_ERR_…`."""
_FIXES = {
    _EXPIRED: "have it renewed",
    _NOT_YET: "look at this machine's clock",
    **dict.fromkeys((*_SELF_SIGNED, *_NO_ISSUER), "it has to be signed by this CA: take both from the same issuer"),
    _PURPOSE: "its usages need both server auth and client auth",
    _NAME: "it needs cluster_tls.server_name among its DNS names",
}


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> Any:
    """Be both sides, as others will be with these files; what they would refuse is raised. Returns the certificate."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=name)
    asked = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (asking, asked, asking, asked):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return asked.getpeercert()


def _server(config: ClusterTlsConfig, ca: bytes) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Probes and metrics come without a certificate; `worker.certified` refuses them everything else.
    made.verify_mode = ssl.CERT_OPTIONAL
    made.num_tickets = 0  # a resumed session would not be verified by a CA that came since
    _prepare(made, config, ca)
    return made


def _prepare(context: ssl.SSLContext, config: ClusterTlsConfig, ca: bytes) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the CA may be one that another one signed
    try:
        context.load_verify_locations(cadata=ca.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError) as error:
        raise StartError(f"{_named(config, 'ca')} holds no certificate in PEM; mount the CA's ca.crt there") from error
    try:
        context.load_cert_chain(config.certificate, config.key, password="")  # or a locked key would ask at a terminal
    except (OSError, ValueError) as error:
        raise StartError(_wrong_pair(config, error)) from error


def _wrong_pair(config: ClusterTlsConfig, error: Exception) -> str:
    certificate, key = _named(config, "certificate"), _named(config, "key")
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"{key} is not the key of {certificate}; replace both together"
    try:
        alone = config.certificate.read_text("ascii", "ignore")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=alone)
    except (OSError, ValueError):
        return f"{certificate} holds no certificate in PEM; mount the cluster's tls.crt there"
    return f"{key} holds no key in PEM without a password; mount the cluster's tls.key there"


@contextlib.contextmanager
def _readable(config: ClusterTlsConfig, field: str) -> Generator[Path, None, None]:
    """A file's path; that it cannot be read is a `StartError` that names it."""
    try:
        yield getattr(config, field)
    except OSError as error:
        named = _named(config, field)
        raise StartError(f"{named} cannot be read: {error.strerror}; mount the cluster's secret there") from error


def _named(config: ClusterTlsConfig, field: str) -> str:
    return f"cluster_tls.{field} {str(getattr(config, field))!r}"
