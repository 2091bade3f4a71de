"""The pack: every rule as a CrossGuard policy.

Building a `PolicyPack` serves at once, so that is left to `__main__.py`.
"""

from __future__ import annotations

from datetime import datetime, timezone

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

from novacron_policy import exemptions
from novacron_policy.properties import plain, unversioned
from novacron_policy.rules import RULES, Rule

PACK_NAME = "novacron"


def policies() -> list[Policy]:
    """All policies; mandatory unless the configuration says otherwise."""
    return [_policy(rule) for rule in RULES]


def _policy(rule: Rule) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        exemption = exemptions.exemption(args.get_config(), args.urn)
        if exemption and exemption.holds(datetime.now(timezone.utc).date()):
            return
        ended = f" (its exemption ended after {exemption.until})" if exemption else ""
        for reason in rule.check(unversioned(args.resource_type), plain(args.props)):
            report(reason + ended, args.urn)

    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.description,
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
        config_schema=PolicyConfigSchema(exemptions.SCHEMA),
        severity=rule.severity,
        framework=rule.framework,
        tags=list(rule.tags),
        remediation_steps=rule.remedy,
    )
