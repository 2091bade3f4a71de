"""Certificates and kubeconfig files of a cluster: valid for 30 days, and readable by their owner only."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and its certificate, with the files that hold them."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    key_file: Path
    certificate_file: Path


class Authority:
    """A certificate authority that lives in a folder."""

    def __init__(self, folder: Path) -> None:
        """Create the authority's key and certificate in this folder."""
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("novacron-cluster", None)
        builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._root = self._keep("ca", key, builder.sign(key, hashes.SHA256()))

    @property
    def certificate_file(self) -> Path:
        """The authority's certificate."""
        return self._root.certificate_file

    def issue(
        self, name: str, common_name: str, *, group: str | None = None, addresses: tuple[str, ...] = ()
    ) -> KeyPair:
        """Issue a certificate for a client, and for a server if it has addresses.

        Args:
            name: name of the files, without suffix.
            common_name: the user, for Kubernetes.
            group: the user's group, for Kubernetes.
            addresses: DNS names and IP addresses of a server.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if addresses else [])]
        builder = _builder(_name(common_name, group), self._root.certificate.subject, key)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if addresses:
            names = [_general_name(address) for address in addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return self._keep(name, key, builder.sign(self._root.key, hashes.SHA256()))

    def write_kubeconfig(self, file: Path, server: str, client: KeyPair) -> Path:
        """Write a kubeconfig file with a client's key in it."""

        def embed(path: Path) -> str:
            return base64.b64encode(path.read_bytes()).decode()

        user = {"client-certificate-data": embed(client.certificate_file), "client-key-data": embed(client.key_file)}
        cluster = {"server": server, "certificate-authority-data": embed(self.certificate_file)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "novacron", "cluster": cluster}],
            "users": [{"name": "novacron", "user": user}],
            "contexts": [{"name": "novacron", "context": {"cluster": "novacron", "user": "novacron"}}],
            "current-context": "novacron",
        }
        write_private(file, json.dumps(content, indent=1).encode())
        return file

    def _keep(self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> KeyPair:
        pair = KeyPair(key, certificate, self._folder / f"{name}.key", self._folder / f"{name}.crt")
        write_private(pair.key_file, encode_key(key))
        write_private(pair.certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
        return pair


def encode_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(content)


def _name(common_name: str, group: str | None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if group is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _VALID)
    )
