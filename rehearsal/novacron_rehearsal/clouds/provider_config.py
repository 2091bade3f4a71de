"""A provider's configuration: account and region, project and zone, subscription, cluster."""

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

from novacron_rehearsal.clouds import cloud_data
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
"""The inputs that hold a resource's region."""
_CONFIG_NAMES = {"subscription": "subscriptionId", "tenant": "tenantId"}

CERTIFICATE = base64.b64encode(
    b"-----BEGIN CERTIFICATE-----\nc2ltdWxhdGVkIGJ5IE5vdmFDcm9u\n-----END CERTIFICATE-----\n"
).decode()
"""A placeholder for a certificate authority. It holds only the words "simulated by NovaCron"."""


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """The variables for templates, and the scope of ids."""

    package: str
    variables: Mapping[str, str]
    cluster: str = ""
    """The address of the Kubernetes cluster."""

    def region(self, inputs: Mapping[str, Value]) -> str:
        """Return a resource's region, also when its inputs hold a zone; for Kubernetes, its cluster."""
        for name in _REGION.get(self.package, ("region", "location")):
            if isinstance(value := without_secrets(inputs.get(name)), str):
                return re.sub(r"-[a-z]$", "", value) if self.package == "gcp" else value
        return self.variables.get("region") or self.variables.get("location") or self.cluster

    def scope(self, token: str, inputs: Mapping[str, Value]) -> str:
        """Return the region or cluster in which an id is unique. Ids of gcp and azure-native hold it themselves."""
        if (
            self.package == "aws"
            and token.split(":")[1].partition("/")[0] in cloud_data.load_cloud("aws").defaults["global"]
        ):
            return ""
        return self.region(inputs) if self.package in ("aws", "kubernetes") else ""


def read_provider_config(package: str, config: PropertyMap) -> ProviderConfig:
    """Read a provider's configuration. What it lacks comes from the environment, then from the cloud's data."""
    variables = {
        name: value for name, value in cloud_data.load_cloud(package).defaults.items() if isinstance(value, str)
    }
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
    return ProviderConfig(package, variables, _cluster(without_secrets(config.get("kubeconfig"))))


def _partition(region: str) -> str:
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _cluster(kubeconfig: Value) -> str:
    """Return the server in a kubeconfig. Its tokens and certificates may change while the cluster stays the same."""
    try:
        content: Any = yaml.safe_load(kubeconfig) if isinstance(kubeconfig, str) else {}
        return str(content["clusters"][0]["cluster"]["server"])
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        return str(kubeconfig or "")


def generate_value(name: str, seed: str) -> str | int:
    """Return a value that looks random and depends on the seed alone: `hex` (64 digits), `uuid` or `byte` (0–255)."""
    if name == "uuid":
        return "-".join((seed[:8], seed[8:12], seed[12:16], seed[16:20], seed[20:32]))
    return int(seed[:2] or "0", 16) if name == "byte" else seed


GENERATED = ("hex", "uuid", "byte")


def digest(*parts: object) -> str:
    """Return 64 hexadecimal digits that depend on the parts alone."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()
