"""Two rules: one mandatory, one advisory."""

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)


def forbid(args: ResourceValidationArgs, report: ReportViolation) -> None:
    if args.props.get("forbidden"):
        report("it is forbidden")


def tolerate(args: ResourceValidationArgs, report: ReportViolation) -> None:
    if args.props.get("tolerated"):
        report("it is tolerated")


PolicyPack(
    "parity",
    [
        ResourceValidationPolicy("forbidden", "nothing is forbidden", forbid, EnforcementLevel.MANDATORY),
        ResourceValidationPolicy("tolerated", "little is tolerated", tolerate, EnforcementLevel.ADVISORY),
    ],
)
