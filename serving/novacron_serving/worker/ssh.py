"""SSH between the pods of a replica, by which `mpirun` starts the ranks of the other machines.

All pods derive the same key pair from the cluster token, so nothing has to be distributed. Client and server both use
this key, and accept no other. Neither runs as root.
"""

from __future__ import annotations

import importlib
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novacron_serving.errors import StartError

PURPOSE = b"novacron ssh between the pods of a replica"
"""Keeps this key apart from other uses of the token."""
PASSED_ON = ("CUDA_", "FI_", "FLASHINFER_", "HF_", "LD_LIBRARY_PATH", "NCCL_", "NVIDIA_", "OMPI_", "OPAL_", "PATH",
             "PYTHON", "TMPDIR", "TLLM_", "TORCH", "TRITON_", "TRTLLM_", "UCX_", "XDG_")  # fmt: skip
"""Prefixes of the variables that sessions get from the server's environment. The cluster token has none of them."""
_CHECK_S = 1.0
_CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SshFiles:
    """The files of the client and the server."""

    client_config: Path
    server_config: Path


def write_files(folder: Path, token: str, port: int, environment: Mapping[str, str]) -> SshFiles:
    """Write the key and the configuration of client and server.

    Args:
        folder: a folder for them, which is made readable for this user only.
        token: the cluster token.
        port: port of the servers.
        environment: variables for the sessions of the server, of which those in `PASSED_ON` are used.

    Raises:
        StartError: the library for the key is missing, or the folder cannot be written.
    """
    private, public = derive_key(token)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key, known_hosts, authorized = folder / "key", folder / "known_hosts", folder / "authorized_keys"
        _write(key, private)
        _write(authorized, f"{public}\n")
        _write(known_hosts, f"* {public}\n")
        client, server = folder / "ssh_config", folder / "sshd_config"
        _write(
            client,
            _lines(
                "Host *",
                f"Port {port}",
                f"IdentityFile {key}",
                f"UserKnownHostsFile {known_hosts}",
                "GlobalKnownHostsFile none",
                "StrictHostKeyChecking yes",
                "BatchMode yes",
                "LogLevel ERROR",
            ),
        )
        _write(
            server,
            _lines(
                f"Port {port}",
                f"HostKey {key}",
                f"AuthorizedKeysFile {authorized}",
                "PidFile none",
                "UsePAM no",
                # The home folder is a volume that the pod's group may write; these files are the user's own.
                "StrictModes no",
                "AuthenticationMethods publickey",
                "DisableForwarding yes",
                "PrintMotd no",
                _set_variables(environment),
            ),
        )
    except OSError as error:
        raise StartError(f"folder {str(folder)!r} cannot be written: {error.strerror or error}") from error
    return SshFiles(client_config=client, server_config=server)


def derive_key(token: str) -> tuple[str, str]:
    """Return the private and the public key of a cluster token, in OpenSSH's formats. Raises `StartError`."""
    try:
        hashes: Any = importlib.import_module("cryptography.hazmat.primitives.hashes")
        hkdf: Any = importlib.import_module("cryptography.hazmat.primitives.kdf.hkdf")
        ed25519: Any = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
        serialization: Any = importlib.import_module("cryptography.hazmat.primitives.serialization")
    except ImportError as error:
        raise StartError(
            "a model that spans machines needs the library cryptography; pip install 'novacron-serving[multi-node]'"
        ) from error
    seed = hkdf.HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=PURPOSE).derive(token.encode())
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def wait_for_servers(hosts: Sequence[str], port: int, timeout_s: float) -> None:
    """Wait until the SSH servers of all hosts accept connections. Their names need not resolve at once.

    Raises:
        StartError: names the hosts that are missing after `timeout_s`.
    """
    until_s = time.monotonic() + timeout_s
    missing = list(hosts)
    while missing := [host for host in missing if not _accepts(host, port)]:
        if time.monotonic() > until_s:
            raise StartError(
                f"{', '.join(missing)}: no SSH server on port {port} after {timeout_s:g} s; see the logs of these pods"
            )
        time.sleep(_CHECK_S)


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False


def _set_variables(environment: Mapping[str, str]) -> str:
    """Return the variables of sessions as one line, because sshd ignores all but the first.

    A value that the format cannot express is left out.
    """
    variables = [
        f'"{name}={value}"'
        for name, value in sorted(environment.items())
        if name.startswith(PASSED_ON) and '"' not in value and "\\" not in value and "\n" not in value
    ]
    return " ".join(["SetEnv", *variables])


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
