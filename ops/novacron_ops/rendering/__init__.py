"""Rendering a stack's Kubernetes objects as manifests for GitOps."""

from novacron_ops.rendering.folder import Written, write_files
from novacron_ops.rendering.layouts import Source, describe_installation, lay_out
from novacron_ops.rendering.objects import Chart, ClusterObjects, Manifest, UserSecret, collect
from novacron_ops.rendering.run import declare_objects

__all__ = [
    "Chart",
    "ClusterObjects",
    "Manifest",
    "Source",
    "UserSecret",
    "Written",
    "collect",
    "declare_objects",
    "describe_installation",
    "lay_out",
    "write_files",
]
