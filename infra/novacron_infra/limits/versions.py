"""Kubernetes versions that each cloud offers, by the catalogue's dated lists."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novacron_infra.catalog import Cloud, KubernetesList, load_kubernetes_lists
from novacron_infra.errors import Problem
from novacron_infra.shown_values import show_value

_VERSION = re.compile(r"1\.(0|[1-9]\d?)")
_PATCH = re.compile(r"v?(1\.\d+)\.\d+\S*")


def check_version(path: str, version: str, cloud: Cloud | None = None) -> Iterator[Problem]:
    """Yield a problem if the cloud has no cluster with this minor version of Kubernetes.

    Args:
        path: the path of the version.
        version: the minor version; the cloud chooses the patch.
        cloud: the cloud of the cluster to create. None: the cluster exists, and its version may be older.
    """
    if patch := _PATCH.fullmatch(version):
        yield Problem(path, version, "it names a patch, which the cloud chooses", f"Use {patch[1]}, in quotes")
    elif not _VERSION.fullmatch(version):
        rule = "it is not a minor version of Kubernetes"
        yield Problem(path, show_value(version), rule, "Write it like 1.34, in quotes")
    elif cloud is not None:
        yield from _check_offered(path, version, load_kubernetes_lists()[cloud])


def _check_offered(path: str, version: str, found: KubernetesList) -> Iterator[Problem]:
    offered = [item.version for item in found.versions]
    if version in offered:
        return
    use = f"Use {', '.join(offered[:-1])} or {offered[-1]}"
    if _find_minor(version) < _find_minor(offered[0]):
        yield Problem(path, version, f"{found.service} no longer offered it on {found.as_of}", use)
    else:
        fix = f"{use}. If it is offered by now, add it to kubernetes_versions.yaml of the catalogue"
        yield Problem(path, version, f"{found.service} did not offer it on {found.as_of}", fix)


def _find_minor(version: str) -> int:
    return int(version.partition(".")[2])
