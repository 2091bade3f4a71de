"""A certificate authority for tests, and certificates that it signs."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
PEM = serialization.Encoding.PEM


class Authority:
    """A certificate authority that signs any certificate."""

    def __init__(self, name: str = "ca of the tests") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(self._name, self._key.public_key(), 10).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.pem = made.sign(self._key, hashes.SHA256()).public_bytes(PEM)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: float, since: float = -0.1
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=since))
            .not_valid_after(now + dt.timedelta(days=days))
        )

    def issue(
        self,
        folder: Path,
        *,
        name: str = "novacron-cluster",
        days: float = 1,
        usages: tuple[x509.ObjectIdentifier, ...] = BOTH,
        ca: bytes | None = None,
    ) -> dict[str, str]:
        """Write a certificate as the kubelet mounts a secret, in place of the previous one.

        Args:
            folder: where to write it.
            name: its DNS name.
            days: its validity.
            usages: its extended key usages.
            ca: content of `ca.crt`, if it is not this authority's certificate.

        Returns:
            The `cluster_tls` setting of a process.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = (
            self._builder(subject, key.public_key(), days, since=min(-0.1, days - 1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        content = {
            "tls.crt": made.public_bytes(PEM),
            "tls.key": key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
            "ca.crt": self.pem if ca is None else ca,
        }
        # The kubelet replaces a link, so that all files change at the same time.
        folder.mkdir(parents=True, exist_ok=True)
        generation = folder / f"..{x509.random_serial_number():x}"
        generation.mkdir()
        for file, text in content.items():
            (generation / file).write_bytes(text)
            if not (folder / file).is_symlink():
                (folder / file).symlink_to(Path("..data") / file)
        (folder / "..new").symlink_to(generation.name)
        os.replace(folder / "..new", folder / "..data")  # noqa: PTH105 - the link is replaced, not its target
        return {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key"), "ca": str(folder / "ca.crt")}
