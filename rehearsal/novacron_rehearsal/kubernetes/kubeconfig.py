"""Reads a kubeconfig: where the cluster is and how to sign in.

The official client reads credentials: client certificates, tokens, and commands that print them.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException
from kubernetes.config.incluster_config import load_incluster_config
from kubernetes.config.kube_config import ConfigNode, KubeConfigLoader, KubeConfigMerger
from novacron_infra.user_files import UserFileError, parse_yaml, read_text

from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.kubernetes.objects import Object, find, find_objects, find_text
from novacron_rehearsal.kubernetes.settings import Settings

_DEFAULT = Path("~/.kube/config")


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a cluster's API."""

    server: str
    verify: ssl.SSLContext | bool
    authorize: Callable[[], str] = field(repr=False)
    """Returns the value of the `authorization` header, empty without one. It renews a token that expired."""
    namespace: str = "default"
    proxy: str = ""
    tls_server_name: str = ""


def load_access(settings: Settings) -> Access:
    """Return how to reach the cluster of a configuration.

    Raises:
        ProviderError: when there is no kubeconfig, it cannot be read, lacks the context, or its user cannot sign in.
    """
    configuration = Configuration()
    configuration.host = ""
    merged = _read_kubeconfig(settings)
    if merged is None:
        with _explain("the service account of this pod"):
            load_incluster_config(client_configuration=configuration)
        return _make_access(configuration, _read_own_namespace())
    where, config = merged
    context = _find_context(config, settings.context, where)
    # Keys are written to files for a moment only: the TLS context is made from them at once.
    with TemporaryDirectory(prefix="novacron-") as folder, _explain(where) as logged:
        loader = KubeConfigLoader(
            config_dict=config,
            active_context=context,
            config_base_path=None,  # type: ignore[arg-type]  # None: paths are relative to the kubeconfig's folder
            temp_file_path=folder,
        )
        loader.load_and_set(configuration)
        if logged and not configuration.api_key and not configuration.cert_file:
            raise ProviderError(f"{where}: the user of context {context!r} cannot sign in: {'; '.join(logged)}")
        if not configuration.host:
            raise ProviderError(f"{where}: the cluster of context {context!r} has no server")
        found = next(item for item in _list_items(config, "contexts") if item.get("name") == context)
        return _make_access(configuration, find_text(found, "context", "namespace") or "default")


def find_server(settings: Settings) -> str:
    """Return the URL of the API server that a configuration names; empty when it cannot be read.

    Two configurations with the same server are the same cluster, as Pulumi's provider has it.
    """
    try:
        merged = _read_kubeconfig(settings)
        if merged is None:
            return ""
        context = _find_context(merged[1], settings.context, merged[0])
    except ProviderError:
        return ""
    content = merged[1]
    chosen = next(item for item in _list_items(content, "contexts") if item.get("name") == context)
    cluster = find_text(chosen, "context", "cluster")
    return next(
        (find_text(item, "cluster", "server") for item in _list_items(content, "clusters") if item["name"] == cluster),
        "",
    )


def _read_kubeconfig(settings: Settings) -> tuple[str, ConfigNode] | None:
    """Return the name and content of the kubeconfig; `None` to use the service account of this pod."""
    text = settings.kubeconfig.strip()
    if "\n" in text or text.startswith("{"):
        try:
            content = parse_yaml(text, "the content")
        except UserFileError as error:
            raise ProviderError(f"kubeconfig: {_first_line(error)}") from error
        if not isinstance(content, dict):
            raise ProviderError("kubeconfig: the content is not a kubeconfig; it must be an object with `clusters`")
        return "kubeconfig", ConfigNode("kubeconfig", content, str(Path.cwd() / "kubeconfig"))
    paths = text or str(_DEFAULT)
    existing = [part for part in paths.split(os.pathsep) if part and Path(part).expanduser().is_file()]
    if not existing:
        if not text and "KUBERNETES_SERVICE_HOST" in os.environ:
            return None
        raise ProviderError(
            f"kubeconfig {paths} does not exist; set `kubeconfig` of the Kubernetes provider or KUBECONFIG to the "
            "path or content of one"
        )
    try:
        for part in existing:  # the client's own reader knows no bounds
            parse_yaml(read_text(Path(part).expanduser()), part)
        merged = KubeConfigMerger(os.pathsep.join(existing)).config
    except (OSError, UserFileError, yaml.YAMLError, ConfigException, AttributeError, TypeError, KeyError) as error:
        raise ProviderError(f"kubeconfig {paths} cannot be read: {_first_line(error)}") from error
    if not isinstance(merged, ConfigNode):
        raise ProviderError(f"kubeconfig {paths} is not a kubeconfig; it must be an object with `clusters`")
    return f"kubeconfig {paths}", merged


def _list_items(config: ConfigNode, key: str) -> list[Object]:
    """Return the items of a list of a kubeconfig. Merged files have nodes in their lists."""
    items = find(config.value, key)
    plain = [item.value if isinstance(item, ConfigNode) else item for item in items] if isinstance(items, list) else []
    return find_objects({key: plain}, key)


def _find_context(config: ConfigNode, wanted: str, where: str) -> str:
    names = [find_text(item, "name") for item in _list_items(config, "contexts")]
    context = wanted or find_text(config.value, "current-context")
    known = ", ".join(names) or "none"
    if not context:
        raise ProviderError(f"{where} has no current context; set `context` to one of its contexts: {known}")
    if context not in names:
        raise ProviderError(f"{where} has no context {context!r}; its contexts: {known}")
    return context


def _make_access(configuration: Configuration, namespace: str) -> Access:
    verify: ssl.SSLContext | bool = True
    if configuration.host.startswith("https"):
        verify = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
        if not configuration.verify_ssl:
            verify.check_hostname = False
            verify.verify_mode = ssl.CERT_NONE
        if configuration.cert_file:
            verify.load_cert_chain(configuration.cert_file, configuration.key_file)

    def authorize() -> str:
        # Older versions of the client call the key `authorization`.
        return configuration.get_api_key_with_prefix("BearerToken", "authorization") or ""

    return Access(
        configuration.host.rstrip("/"),
        verify,
        authorize,
        namespace,
        configuration.proxy or "",
        configuration.tls_server_name or "",
    )


def _read_own_namespace() -> str:
    try:
        return Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read_text(encoding="utf-8").strip()
    except OSError:
        return "default"


@contextmanager
def _explain(where: str) -> Generator[list[str]]:
    """Turn the client's errors into messages. Yields what it logs: it only logs why a command failed."""
    logged = StringIO()
    handler = logging.StreamHandler(logged)
    root = logging.getLogger()
    messages: list[str] = []
    handler.emit = lambda record: messages.append(record.getMessage())
    root.addHandler(handler)
    try:
        yield messages
    except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        raise ProviderError(f"{where} cannot be used: {_first_line(error)}") from error
    finally:
        root.removeHandler(handler)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
