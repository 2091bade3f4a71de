"""Properties of things that exist, from the Cloud Control API: the services' own lookups tell less."""

from __future__ import annotations

import json
from typing import Any, cast

import pulumi_aws as aws

from novacron_infra.existing import Lookups, find_or_none


def find_properties(lookups: Lookups, type_name: str, identifier: str) -> dict[str, Any] | None:
    """Return the properties of a resource: empty on a simulated cloud, None if AWS rejects the lookup.

    Args:
        lookups: how AWS is asked.
        type_name: type in CloudFormation, such as `AWS::KMS::Key`.
        identifier: primary identifier of the type.
    """
    found = find_or_none(
        lambda: aws.cloudcontrol.get_resource(type_name=type_name, identifier=identifier, opts=lookups.opts)
    )
    if found is None:
        return None
    return cast("dict[str, Any]", json.loads(found.properties)) if found.properties else {}
