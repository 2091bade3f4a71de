"""The policy pack: every rule as a CrossGuard policy, and one policy that reports unused exemptions.

A `PolicyPack` starts to serve when it is created, so `__main__.py` creates it.
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
    StackValidationArgs,
    StackValidationPolicy,
)

from novacron_policy.exemptions import SCHEMA, ExemptionsInUse
from novacron_policy.properties import copy_marked, remove_version
from novacron_policy.rules import RULES, Rule

PACK_NAME = "novacron"
UNUSED_EXEMPTIONS = "unused-exemptions"


def create_policies() -> list[Policy]:
    """Return all policies. They are mandatory unless configured otherwise, except `unused-exemptions`."""
    exemptions = ExemptionsInUse()
    return [*(_create_policy(rule, exemptions) for rule in RULES), _report_unused(exemptions)]


def _create_policy(rule: Rule, exemptions: ExemptionsInUse) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        exemption = exemptions.find(rule.name, args.get_config(), args.urn)
        if exemption and exemption.applies(datetime.now(timezone.utc).date()):
            return
        ended = f" (its exemption ended after {exemption.until})" if exemption else ""
        for reason in rule.check(remove_version(args.resource_type), copy_marked(args.props)):
            report(reason + ended, args.urn)

    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.description,
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
        config_schema=PolicyConfigSchema(SCHEMA),
        severity=rule.severity,
        framework=rule.framework,
        tags=list(rule.tags),
        remediation_steps=rule.remedy,
    )


def _report_unused(exemptions: ExemptionsInUse) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for policy, exemption in exemptions.list_unused({resource.urn for resource in args.resources}):
            report(
                f"the exemption of {exemption.urn} from {policy} matches no resource of the stack. "
                "Correct its URN, or remove it",
                None,
            )

    return StackValidationPolicy(
        name=UNUSED_EXEMPTIONS,
        description="Every exemption matches a resource of the stack.",
        validate=validate,
        enforcement_level=EnforcementLevel.ADVISORY,
        remediation_steps="Correct the URN of the exemption, or remove the exemption.",
    )
