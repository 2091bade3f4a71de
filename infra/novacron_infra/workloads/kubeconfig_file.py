"""Checks the kubeconfig file of a cluster of your own before anything is declared."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from novacron_infra.config.kubernetes import KubernetesCluster
from novacron_infra.config.problems import problem
from novacron_infra.errors import Problem
from novacron_infra.user_files import UserFileError, parse_yaml, read_text


def check_cluster(cluster: KubernetesCluster, kubeconfig: Path | None) -> list[Problem]:
    """Return what is wrong with the configured kubeconfig file and context. It does not contact the cluster.

    Args:
        cluster: the configuration.
        kubeconfig: the path of its `kubeconfig`, from the project's folder; None without one.
    """
    file = kubeconfig or _find_default()
    if kubeconfig is not None and not kubeconfig.is_file():
        rule, fix = f"{kubeconfig} is not a file", "Name a kubeconfig file, or leave the key out for kubectl's own"
        return [problem("cluster.kubeconfig", str(cluster.kubeconfig), rule, fix)]
    contexts = _read_contexts(file)
    if contexts is None:
        if kubeconfig is None:
            return []  # the provider may find a cluster elsewhere, or says what it has tried
        rule, fix = f"{kubeconfig} is not a kubeconfig file", "Name a file that kubectl accepts"
        return [problem("cluster.kubeconfig", str(cluster.kubeconfig), rule, fix)]
    if cluster.context is None or cluster.context in contexts:
        return []
    fix = f"Use one of {', '.join(contexts)}" if contexts else "Name another kubeconfig file"
    return [problem("cluster.context", cluster.context, f"{file} has no such context", fix)]


def _find_default() -> Path | None:
    """Return the file that kubectl reads; None if KUBECONFIG names several, which are merged."""
    named = os.environ.get("KUBECONFIG", "")
    return None if os.pathsep in named else Path(named) if named else Path.home() / ".kube" / "config"


def _read_contexts(file: Path | None) -> list[str] | None:
    """Return the names of a file's contexts; None if it cannot be read."""
    if file is None:
        return None
    try:
        content: object = parse_yaml(read_text(file), str(file))
    except UserFileError:
        return None
    if not isinstance(content, Mapping):
        return None
    contexts: object = cast("Mapping[str, object]", content).get("contexts")
    if not isinstance(contexts, list):
        return None
    return [str(cast("Mapping[str, object]", item).get("name")) for item in contexts if isinstance(item, Mapping)]
