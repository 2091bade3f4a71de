"""A key of Cloud KMS that exists: lookups of what it must have. Nothing here declares a resource."""

from __future__ import annotations

import json
from typing import Any, cast

import pulumi_gcp as gcp

from novacron_infra.existing import Lookups, differs, find_or_none, is_reported
from novacron_infra.gcp.keys import ROLE, GcpKeysArgs, KeyUse, list_agents

_KEY = "key"


def check_key(lookups: Lookups, key: str, args: GcpKeysArgs) -> None:
    """Look up a key, and add a problem for everything that it lacks.

    Args:
        lookups: receives the problems.
        key: the key.
        args: arguments of the keys that it replaces, which name the services that encrypt with it.
    """
    ring, _, name = key.partition("/cryptoKeys/")
    _, project, _, location, *_ = key.split("/")
    options = f"--project {project} --location {location} --keyring {ring.rpartition('/')[2]}"
    found = lookups.find(
        _KEY,
        key,
        f"key in {location}",
        f"gcloud kms keys list {options}",
        lambda: gcp.kms.get_kms_crypto_key(name=name, key_ring=ring, opts=lookups.opts),
    )
    if found is None:
        return
    rule = f"its purpose is {found.purpose}, and services encrypt with ENCRYPT_DECRYPT"
    fix = "Name a symmetric key for encryption"
    lookups.require(not differs(found.purpose, "ENCRYPT_DECRYPT"), _KEY, key, rule, fix)
    if is_reported(found.primaries):
        state = found.primaries[0].state if found.primaries else "missing"
        rule = f"its primary version is {state}, and nothing can be encrypted with it"
        fix = f"Run `gcloud kms keys versions enable VERSION --key {name} {options}`, or name another key"
        lookups.require(state == "ENABLED", _KEY, key, rule, fix)
    if found.rotation_period == "":
        command = f"gcloud kms keys update {name} {options} --rotation-period 30d --next-rotation-time TIME"
        lookups.warn(_KEY, key, f"it is not rotated. `{command}` rotates it")
    _check_agents(lookups, key, args, f"gcloud kms keys add-iam-policy-binding {name} {options}")


def _check_agents(lookups: Lookups, key: str, args: GcpKeysArgs, command: str) -> None:
    """Check that the service agents of the region's project may use a key. They may by its ring or its project, too."""
    opts, ring, project = lookups.opts, key.partition("/cryptoKeys/")[0], key.split("/")[1]
    policies = [
        find_or_none(lambda: gcp.kms.get_crypto_key_iam_policy(crypto_key_id=key, opts=opts)),
        find_or_none(lambda: gcp.kms.get_key_ring_iam_policy(key_ring_id=ring, opts=opts)),
        find_or_none(lambda: gcp.projects.get_iam_policy(project=project, opts=opts)),
    ]
    if any(policy is None for policy in policies):
        what = "whether the services may use it is not checked: these credentials may not read the IAM policies of the"
        lookups.warn(_KEY, key, f"{what} key, its key ring and its project")
        return
    documents = [policy.policy_data for policy in policies if policy is not None]
    if not all(documents):  # a simulated cloud
        return
    admitted: set[str] = set()
    for document in documents:
        for binding in cast("dict[str, Any]", json.loads(document)).get("bindings", []):
            admitted.update(binding["members"] if binding["role"] == ROLE else [])
    number = gcp.organizations.get_project(opts=opts).number
    agents = [agent for use in KeyUse for agent in list_agents(use, args)]
    members = [f"serviceAccount:service-{number}@{agent.value}.iam.gserviceaccount.com" for agent in agents]
    missing = [member for member in members if member not in admitted]
    rule = f"these service agents may not encrypt with it: {', '.join(missing)}"
    fix = f"Run `{command} --role {ROLE} --member {missing[0]}` for each of them" if missing else ""
    lookups.require(not missing, _KEY, key, rule, fix)
