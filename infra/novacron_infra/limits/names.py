"""Names of buckets, storage accounts and DNS zones that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem
from novacron_infra.shown_values import show_value


@dataclass(frozen=True, slots=True)
class NameRule:
    """How a cloud writes a kind of name."""

    pattern: str
    """A regular expression that the whole name matches."""
    rule: str
    """The pattern in words, as a clause."""
    example: str
    """A name that matches."""

    def matches(self, name: str) -> bool:
        """Return whether a name matches."""
        return re.fullmatch(self.pattern, name) is not None

    def check(self, path: str, name: str) -> Iterator[Problem]:
        """Yield a problem if a name does not match."""
        if not self.matches(name):
            yield Problem(path, show_value(name), self.rule, f"Write it like {self.example}")


# Amazon S3 User Guide, "General purpose bucket naming rules", read on 2026-11-30. S3 also allows dots, but not with
# transfer acceleration.
S3_BUCKET = NameRule(
    r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9][a-z0-9-]{1,61}[a-z0-9](?<!-s3alias)(?<!--ol-s3)(?<!--x-s3)(?<!--table-s3)",
    "an S3 bucket has 3 to 63 lower-case letters, digits and hyphens, no hyphen at either end, and none of the "
    "beginnings and endings that S3 reserves, such as xn-- and -s3alias",
    "example-models",
)
# Google Cloud, "About Cloud Storage buckets", read on 2026-11-30. No dots: Google Cloud then asks for proof that the
# user owns the domain.
GCS_BUCKET = NameRule(
    r"(?!goog|.*(google|g00gle))[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]",
    "a Cloud Storage bucket has 3 to 63 lower-case letters, digits, hyphens and underscores, starts and ends with "
    "a letter or digit, and neither starts with goog nor contains google",
    "example-models",
)
AZURE_ACCOUNT = NameRule(
    r"[a-z0-9]{3,24}", "a storage account has 3 to 24 lower-case letters and digits", "examplemodels"
)
AZURE_CONTAINER = NameRule(
    r"(?=.{3,63}$)[a-z0-9](-?[a-z0-9])*",
    "a container has 3 to 63 lower-case letters and digits, with single hyphens inside",
    "models",
)
AZURE_STORE = NameRule(
    f"{AZURE_ACCOUNT.pattern}/{AZURE_CONTAINER.pattern}",
    "an Azure store is written account/container: 3 to 24 lower-case letters and digits, then 3 to 63 of them with "
    "single hyphens inside",
    "examplemodels/models",
)
LABEL_VALUE = NameRule(
    r"[a-z0-9_-]{0,63}", "a label's value on Google Cloud has at most 63 letters, digits, - and _", "novacron"
)
_ZONES = {
    Cloud.AWS: NameRule(
        r"Z[A-Z0-9]{3,31}", "a hosted zone of Route 53 has an id of capital letters and digits", "Z0123456789ABCDEFGHIJ"
    ),
    Cloud.GCP: NameRule(
        r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
        "a managed zone of Cloud DNS has 1 to 63 lower-case letters, digits and hyphens, and starts with a letter",
        "example-com",
    ),
    Cloud.AZURE: NameRule(
        r"[\w().-]{0,89}[\w()-]",
        "a resource group has 1 to 90 letters, digits and - _ . ( ), and does not end with a dot",
        "dns",
    ),
}
"""How `traffic.existing_zone` names a zone in each cloud; on Azure, the resource group of the zone."""


def check_existing_zone(path: str, zone: str, cloud: Cloud) -> Iterator[Problem]:
    """Yield a problem if this does not name an existing DNS zone: its id, its managed zone or its resource group."""
    name = zone.removeprefix("/hostedzone/")
    if cloud is Cloud.AWS and name != zone and _ZONES[cloud].matches(name):
        yield Problem(path, show_value(zone), "it is the path of a hosted zone, not its id", f"Use {name}")
        return
    yield from _ZONES[cloud].check(path, zone)
