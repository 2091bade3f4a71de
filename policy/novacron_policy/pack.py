"""The pack: each check with its name, level, sources and exemptions.

Building a `PolicyPack` serves at once, so that is left to `__main__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

from novacron_policy import checks
from novacron_policy.properties import plain

PACK_NAME = "novacron"

Check = Callable[[str, Any], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy of the pack."""

    name: str
    check: Check
    sources: tuple[str, ...]
    """Checks of other catalogues that ask for the same (checkov 3.3, CIS benchmarks)."""

    @property
    def description(self) -> str:
        """What it asks for, in a sentence."""
        return (self.check.__doc__ or "").strip().splitlines()[0]


RULES = (
    Rule(
        "private-api-endpoint", checks.private_api_endpoint, ("CKV_AWS_38", "CKV_AWS_39", "CKV_GCP_18", "CKV_AZURE_6")
    ),
    Rule("customer-key-encryption", checks.customer_key_encryption, ("CKV_AWS_58", "CKV_AWS_189", "CKV_AZURE_117")),
    Rule("gpu-taint-and-toleration", checks.gpu_taint_and_toleration, ()),
    Rule("no-privileged-pod", checks.no_privileged_pod, ("CKV_K8S_16",)),
    Rule("digest-pinned-image", checks.digest_pinned_image, ("CKV_K8S_43",)),
    Rule("health-check-on-routed-record", checks.health_check_on_routed_record, ()),
)

_EXEMPTIONS = PolicyConfigSchema(
    properties={
        "exemptions": {
            "type": "array",
            "description": "resources that this policy leaves alone, each with the reason",
            "items": {
                "type": "object",
                "properties": {"urn": {"type": "string"}, "reason": {"type": "string", "minLength": 1}},
                "required": ["urn", "reason"],
                "additionalProperties": False,
            },
        }
    }
)


def policies() -> list[Policy]:
    """All policies; mandatory unless the configuration says otherwise."""
    return [_policy(rule) for rule in RULES]


def _policy(rule: Rule) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        exempt = {item["urn"] for item in args.get_config().get("exemptions", [])}
        if args.urn in exempt:
            return
        for reason in rule.check(args.resource_type, plain(args.props)):
            report(reason, args.urn)

    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.description,
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
        config_schema=_EXEMPTIONS,
        tags=list(rule.sources),
    )
