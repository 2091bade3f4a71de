"""ConfigMaps and Secrets of pods. They keep their names, and are updated in place.

Names with a hash of the content cannot be reverted: after an update that failed, the former object still awaits its
deletion, so it can be neither created again nor kept. Instead, pods have hashes of what they read as annotations
(`pods.annotate_content`), and new content replaces them. A pod that restarts during the update already reads it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.workloads.pods import PodContent, label_object

_HASH_CHARACTERS = 16


def declare_config(
    resource: str,
    namespace: str,
    name: str,
    file: str,
    content: pulumi.Input[Mapping[str, object]],
    opts: pulumi.ResourceOptions,
) -> PodContent:
    """Declare the ConfigMap of a configuration file.

    Args:
        resource: name of the Pulumi resource.
        namespace: where the pods are.
        name: name of the object.
        file: name of the file.
        content: content of the file.
        opts: Pulumi's options.
    """
    text = pulumi.Output.from_input(content).apply(lambda known: json.dumps(known, indent=1))
    return declare_file(resource, namespace, name, file, text, opts)


def declare_file(
    resource: str, namespace: str, name: str, file: str, text: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> PodContent:
    """Declare the ConfigMap of a file with any text.

    Args:
        resource: name of the Pulumi resource.
        namespace: where the pods are.
        name: name of the object.
        file: name of the file.
        text: content of the file.
        opts: Pulumi's options.
    """
    made = k8s.core.v1.ConfigMap(resource, metadata=label_object(name, namespace, name), data={file: text}, opts=opts)
    return PodContent(name=name, made=made, content_hash=_hash({file: text}))


def declare_secret(
    resource: str, namespace: str, name: str, values: Mapping[str, pulumi.Input[str]], opts: pulumi.ResourceOptions
) -> PodContent:
    """Declare a Secret.

    The hash is over all values together, at least one of which is random, so it reveals none of them.

    Args:
        resource: name of the Pulumi resource.
        namespace: where the pods are.
        name: name of the object.
        values: the values by key.
        opts: Pulumi's options.
    """
    made = k8s.core.v1.Secret(
        resource,
        metadata=label_object(name, namespace, name),
        type="Opaque",
        # Not `string_data`: the API server would keep a key that is no longer in it.
        data={key: pulumi.Output.secret(value).apply(_encode) for key, value in values.items()},
        opts=opts,
    )
    return PodContent(name=name, made=made, content_hash=pulumi.Output.unsecret(_hash(values)))


def _hash(content: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    def hash_known(known: Mapping[str, str]) -> str:
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:_HASH_CHARACTERS]

    return pulumi.Output.all(**content).apply(hash_known)


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
