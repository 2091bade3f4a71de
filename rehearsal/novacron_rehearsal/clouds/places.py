"""Where a provider works, from its configuration: account and region, project and zone, subscription, cluster."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from novacron_rehearsal.clouds import knowledge
from novacron_rehearsal.values import PropertyMap, Value, without_secrets

_ENVIRONMENT = {
    "aws": {"region": ("AWS_REGION", "AWS_DEFAULT_REGION")},
    "gcp": {
        "project": ("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT"),
        "region": ("GOOGLE_REGION",),
        "zone": ("GOOGLE_ZONE",),
    },
    "azure-native": {"subscription": ("ARM_SUBSCRIPTION_ID",), "tenant": ("ARM_TENANT_ID",)},
}
_CONFIG = {
    "aws": ("region",),
    "gcp": ("project", "region", "zone"),
    "azure-native": ("subscription", "tenant", "location"),
    "kubernetes": ("namespace",),
}
_REGION = {"aws": ("region",), "gcp": ("region", "location", "zone"), "azure-native": ("location",), "kubernetes": ()}
"""The inputs that say where a resource is."""
_CONFIG_NAMES = {"subscription": "subscriptionId", "tenant": "tenantId"}

CERTIFICATE = base64.b64encode(
    b"-----BEGIN CERTIFICATE-----\nc2ltdWxhdGVkIGJ5IE5vdmFDcm9u\n-----END CERTIFICATE-----\n"
).decode()
"""What stands for a certificate authority: only "simulated by NovaCron" is in it."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place's variables, for templates, and what tells it from others where ids alone do not."""

    package: str
    variables: Mapping[str, str]
    cluster: str = ""
    """The address of the Kubernetes cluster."""

    def region(self, inputs: Mapping[str, Value]) -> str:
        """The region of a resource, also where a zone is given; of Kubernetes, its cluster."""
        for name in _REGION.get(self.package, ("region", "location")):
            if isinstance(value := without_secrets(inputs.get(name)), str):
                return re.sub(r"-[a-z]$", "", value) if self.package == "gcp" else value
        return self.variables.get("region") or self.variables.get("location") or self.cluster

    def scope(self, token: str, inputs: Mapping[str, Value]) -> str:
        """Within what an id is unique: a region or a cluster. Ids of gcp and azure-native say it themselves."""
        if self.package == "aws" and token.split(":")[1].partition("/")[0] in knowledge.cloud("aws").defaults["global"]:
            return ""
        return self.region(inputs) if self.package in ("aws", "kubernetes") else ""


def place(package: str, config: PropertyMap) -> Place:
    """The place that a provider's configuration names, then the environment, then an invented one."""
    variables = {name: value for name, value in knowledge.cloud(package).defaults.items() if isinstance(value, str)}
    for name, candidates in _ENVIRONMENT.get(package, {}).items():
        variables[name] = next((found for key in candidates if (found := os.environ.get(key))), variables.get(name, ""))
    for name in _CONFIG.get(package, ()):
        if isinstance(value := without_secrets(config.get(_CONFIG_NAMES.get(name, name))), str) and value:
            variables[name] = value
    if package == "gcp":
        variables["zone"] = variables["zone"] or f"{variables['region']}-a"
        variables["location"] = variables["zone"]
    if package == "aws":
        variables["partition"] = _partition(variables["region"])
    variables["certificate"] = CERTIFICATE
    return Place(package, variables, _cluster(without_secrets(config.get("kubeconfig"))))


def _partition(region: str) -> str:
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _cluster(kubeconfig: Value) -> str:
    """The server that a kubeconfig names: tokens and certificates in it may change, the cluster stays the same."""
    try:
        content: Any = yaml.safe_load(kubeconfig) if isinstance(kubeconfig, str) else {}
        return str(content["clusters"][0]["cluster"]["server"])
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        return str(kubeconfig or "")


def made_up(name: str, seed: str) -> str | int:
    """A value that looks random and is not: `hex` (64 digits), `uuid` or `byte` (0 to 255)."""
    if name == "uuid":
        return "-".join((seed[:8], seed[8:12], seed[12:16], seed[16:20], seed[20:32]))
    return int(seed[:2] or "0", 16) if name == "byte" else seed


MADE_UP = ("hex", "uuid", "byte")


def digest(*parts: object) -> str:
    """64 hexadecimal digits that depend on the parts alone."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()
