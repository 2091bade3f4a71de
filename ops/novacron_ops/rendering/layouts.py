"""The files of a rendered stack in each layout: paths and content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml
from novacron_rehearsal.kubernetes.objects import Json, Kind, Object, find_object

from novacron_ops.errors import OpsError
from novacron_ops.options import Layout
from novacron_ops.rendering.objects import Chart, ClusterObjects, Manifest

_SYNC_WAVE, _SYNC_OPTIONS = "argocd.argoproj.io/sync-wave", "argocd.argoproj.io/sync-options"
_FLUX_PRUNE = "kustomize.toolkit.fluxcd.io/prune"
_ARGO_NAMESPACE, _FLUX_NAMESPACE = "argocd", "flux-system"
_INTERVAL, _TIMEOUT = "10m", "30m"
_OCI = "oci://"
_TOP = ("apiVersion", "kind", "metadata")
"""Keys that come first in a file."""
_UNSAFE = re.compile(r"[^a-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Source:
    """Where Argo CD or Flux finds the manifests."""

    stack: str
    repository: str
    """URL of the Git repository. Flux uses the GitRepository that its bootstrap made instead."""
    revision: str
    path: str
    """Path of the output folder in the repository."""

    def name_cluster(self, cluster: str, is_only: bool) -> str:
        """Return the name of a cluster's part of the stack, which tells it from other stacks."""
        return "novacron-" + _UNSAFE.sub("-", (self.stack if is_only else cluster).lower())


def lay_out(clusters: Sequence[ClusterObjects], layout: Layout, source: Source) -> dict[str, str]:
    """Return the content of each file by its path below the output folder.

    Raises:
        OpsError: if two objects have the same path.
    """
    files: dict[str, str] = {}
    for cluster in clusters:
        for path, text in _LAYOUTS[layout](cluster, source, len(clusters) == 1):
            if path in files:
                raise OpsError(f"two objects of the stack would be written to {path}; rename one of them")
            files[path] = text
    return files


def _lay_out_plain(cluster: ClusterObjects, source: Source, is_only: bool) -> Iterator[tuple[str, str]]:
    del source, is_only
    for manifest in cluster.manifests:
        yield f"{cluster.name}/{_folder(manifest.wave)}/{_file(manifest)}", _dump(manifest.content)
    for chart in cluster.charts:
        file = f"{_folder(chart.wave)}-{chart.release}.yaml"
        yield f"{cluster.name}/charts/{file}", f"# {describe_installation(chart, file)}\n{_dump(chart.values)}"


def _lay_out_argo_cd(cluster: ClusterObjects, source: Source, is_only: bool) -> Iterator[tuple[str, str]]:
    """Yield a folder of objects, and the Applications, which Argo CD's own cluster gets."""
    destination: Object = {"server": "https://kubernetes.default.svc"} if is_only else {"name": cluster.name}
    for manifest in cluster.manifests:
        annotations: Object = {_SYNC_WAVE: str(manifest.wave)}
        if manifest.protected:
            annotations[_SYNC_OPTIONS] = "Prune=false,Delete=false"
        elif manifest.kind.is_patch:
            annotations[_SYNC_OPTIONS] = "Prune=false"
        elif _is_custom(manifest.kind):
            # A chart of the same stack may install its definition.
            annotations[_SYNC_OPTIONS] = "SkipDryRunOnMissingResource=true"
        yield f"{cluster.name}/objects/{_file(manifest)}", _dump(_annotate(manifest.content, annotations))
    if cluster.manifests:
        repository: Object = {
            "repoURL": source.repository,
            "targetRevision": source.revision,
            "path": f"{source.path}/{cluster.name}/objects".lstrip("/"),
        }
        yield (
            f"applications/{cluster.name}.yaml",
            _dump(_describe_application(source.name_cluster(cluster.name, is_only), None, repository, destination)),
        )
    for chart in cluster.charts:
        name = f"{source.name_cluster(cluster.name, is_only)}-{chart.release}"
        origin: Object = {
            "repoURL": chart.repository.removeprefix(_OCI),
            "chart": chart.chart,
            "targetRevision": chart.version,
            "helm": {"releaseName": chart.release, "valuesObject": chart.values},
        }
        placed = {**destination, "namespace": chart.namespace}
        yield (
            f"applications/{cluster.name}-{chart.release}.yaml",
            _dump(_describe_application(name, chart.wave, origin, placed)),
        )


def _lay_out_flux(cluster: ClusterObjects, source: Source, is_only: bool) -> Iterator[tuple[str, str]]:
    """Yield numbered folders of objects, and the Kustomizations that apply one after the other."""
    for manifest in cluster.manifests:
        kept = manifest.kind.is_patch or manifest.protected
        content = _annotate(manifest.content, {_FLUX_PRUNE: "disabled"}) if kept else manifest.content
        yield f"{cluster.name}/{_folder(manifest.wave)}/{_file(manifest)}", _dump(content)
    for chart in cluster.charts:
        folder = f"{cluster.name}/{_folder(chart.wave)}"
        yield f"{folder}/helmrepository.{chart.release}.yaml", _dump(_describe_helm_repository(chart))
        yield f"{folder}/helmrelease.{chart.release}.yaml", _dump(_describe_helm_release(chart))
    before: str | None = None
    for wave in sorted({item.wave for item in (*cluster.manifests, *cluster.charts)}):
        name = f"{source.name_cluster(cluster.name, is_only)}-{_folder(wave)}"
        path = f"./{source.path}/{cluster.name}/{_folder(wave)}".replace("//", "/")
        yield f"{cluster.name}/flux/{_folder(wave)}.yaml", _dump(_describe_kustomization(name, path, before))
        before = name


_LAYOUTS = {Layout.PLAIN: _lay_out_plain, Layout.ARGO_CD: _lay_out_argo_cd, Layout.FLUX: _lay_out_flux}


def describe_installation(chart: Chart, values: str) -> str:
    """Return the Helm command that installs a chart with a file of values."""
    in_registry = chart.repository.startswith(_OCI)
    name = f"{chart.repository}/{chart.chart}" if in_registry else chart.chart
    repository = "" if in_registry else f"--repo {chart.repository} "
    return (
        f"helm upgrade --install {chart.release} {name} {repository}--version {chart.version} "
        f"--namespace {chart.namespace} --values {values}"
    )


def _describe_application(name: str, wave: int | None, source: Object, destination: Object) -> Object:
    metadata: Object = {"name": name, "namespace": _ARGO_NAMESPACE}
    if wave is not None:
        metadata["annotations"] = {_SYNC_WAVE: str(wave)}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": metadata,
        "spec": {
            "project": "default",
            "source": source,
            "destination": destination,
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["ServerSideApply=true"],
                # Objects wait for the definitions that charts install.
                "retry": {"limit": 20, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "3m"}},
            },
        },
    }


def _describe_helm_repository(chart: Chart) -> Object:
    kind: Object = {"type": "oci"} if chart.repository.startswith(_OCI) else {}
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "HelmRepository",
        "metadata": {"name": chart.release, "namespace": _FLUX_NAMESPACE},
        "spec": {"interval": _INTERVAL, "url": chart.repository, **kind},
    }


def _describe_helm_release(chart: Chart) -> Object:
    origin: Object = {"kind": "HelmRepository", "name": chart.release}
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": chart.release, "namespace": _FLUX_NAMESPACE},
        "spec": {
            "interval": _INTERVAL,
            "releaseName": chart.release,
            "targetNamespace": chart.namespace,
            "storageNamespace": chart.namespace,
            "chart": {"spec": {"chart": chart.chart, "version": chart.version, "sourceRef": origin}},
            "install": {"crds": "CreateReplace", "remediation": {"retries": 3}},
            "upgrade": {"crds": "CreateReplace", "remediation": {"retries": 3}},
            "values": chart.values,
        },
    }


def _describe_kustomization(name: str, path: str, before: str | None) -> Object:
    depends: Object = {"dependsOn": [{"name": before}]} if before is not None else {}
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": _FLUX_NAMESPACE},
        "spec": {
            **depends,
            "interval": _INTERVAL,
            "path": path,
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": _FLUX_NAMESPACE},
            "timeout": _TIMEOUT,
            "wait": True,
        },
    }


def _annotate(content: Object, annotations: Object) -> Object:
    metadata = find_object(content, "metadata")
    return {**content, "metadata": {**metadata, "annotations": {**find_object(metadata, "annotations"), **annotations}}}


def _folder(wave: int) -> str:
    return f"{wave:02}"


def _is_custom(kind: Kind) -> bool:
    """Return whether a kind is not one of Kubernetes' own, judged by its group."""
    return "." in kind.group and not kind.group.endswith(".k8s.io")


def _file(manifest: Manifest) -> str:
    """Return the name of an object's file, which tells it from all others of its cluster."""
    kind = manifest.kind
    parts = (f"{kind.name}.{kind.group}" if _is_custom(kind) else kind.name, manifest.namespace, manifest.name)
    return ".".join(_UNSAFE.sub("-", part.lower()) for part in parts if part) + ".yaml"


def _dump(content: Object) -> str:
    ordered = {key: _sort(content[key]) for key in sorted(content, key=lambda key: (key not in _TOP, key))}
    return yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _sort(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _sort(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sort(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, and no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        """Write equal values again."""
        del data
        return True


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _represent_text)
