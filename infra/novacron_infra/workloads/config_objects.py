"""ConfigMaps and Secrets with the hash of their content in their name.

Another content is another object. So a pod that names the object changes with it and is replaced by a rolling update,
while pods that still run keep the object that they were started with until the update is over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.workloads.pods import label_object

_HASH_CHARACTERS = 10


def name_with_hash(name: str, content: Mapping[str, str]) -> str:
    """Return a name that changes with the content."""
    text = json.dumps(content, sort_keys=True)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARACTERS]}"


def declare_config(
    resource: str,
    namespace: str,
    name: str,
    file: str,
    content: pulumi.Input[Mapping[str, object]],
    opts: pulumi.ResourceOptions,
) -> k8s.core.v1.ConfigMap:
    """Declare the ConfigMap of a configuration file.

    Args:
        resource: name of the Pulumi resource.
        namespace: where the pods are.
        name: how the object's name begins.
        file: name of the file.
        content: content of the file.
        opts: Pulumi's options.
    """
    text = pulumi.Output.from_input(content).apply(lambda known: json.dumps(known, indent=1))
    return declare_file(resource, namespace, name, file, text, opts)


def declare_file(
    resource: str, namespace: str, name: str, file: str, text: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> k8s.core.v1.ConfigMap:
    """Declare the ConfigMap of a file with any text.

    Args:
        resource: name of the Pulumi resource.
        namespace: where the pods are.
        name: how the object's name begins.
        file: name of the file.
        text: content of the file.
        opts: Pulumi's options.
    """
    text = pulumi.Output.from_input(text)
    full_name = text.apply(lambda known: name_with_hash(name, {file: known}))
    return k8s.core.v1.ConfigMap(
        resource,
        metadata=label_object(full_name, namespace, name),
        data={file: text},
        immutable=True,
        opts=opts,
    )


def declare_secret(
    resource: str, namespace: str, name: str, values: Mapping[str, pulumi.Input[str]], opts: pulumi.ResourceOptions
) -> k8s.core.v1.Secret:
    """Declare a Secret.

    The hash is over all values together, at least one of which is random, so it reveals none of them.

    Args:
        resource: name of the Pulumi resource.
        namespace: where the pods are.
        name: how the object's name begins.
        values: the values by key.
        opts: Pulumi's options.
    """
    known = pulumi.Output.all(**values).apply(lambda content: name_with_hash(name, content))
    return k8s.core.v1.Secret(
        resource,
        metadata=label_object(pulumi.Output.unsecret(known), namespace, name),
        type="Opaque",
        string_data=values,
        immutable=True,
        opts=opts,
    )


def find_name(made: k8s.core.v1.ConfigMap | k8s.core.v1.Secret) -> pulumi.Output[str]:
    """Return the name of an object in the cluster."""
    return made.metadata.apply(lambda metadata: metadata.name or "")
