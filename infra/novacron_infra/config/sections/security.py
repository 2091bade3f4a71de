"""`security`: threat detection, audit records and admission policies of the clouds' own services."""

from __future__ import annotations

from enum import Enum

from novacron_infra.config.sections.base import EmailAddress, Section
from novacron_infra.config.sections.platform import Platform


class Detector(str, Enum):
    """Whether a cloud's threat detection is on, and whether the stack owns it."""

    MANAGED = "managed"
    """The stack turns it on, for the whole account or subscription."""
    EXISTING = "existing"
    """It is on already. The stack only connects its clusters and alerts to it."""
    NONE = "none"
    """It is off, or has nothing to do with the stack."""


class Severity(str, Enum):
    """The severity of a finding."""

    LOW = "low"
    """A suspicious attempt that did not succeed."""
    MEDIUM = "medium"
    """Activity that differs from what is normal."""
    HIGH = "high"
    """A resource that is likely to be compromised."""


class ThreatDetection(Section):
    """Threat detection in the accounts of the regions, and its alerts.

    An account has one detector in a region, and a subscription has one plan. If another stack or your organization
    owns it, use `existing`. docs/threat-detection.md has the details of each cloud.
    """

    aws: Detector = Detector.NONE
    """GuardDuty, in each region on AWS: audit logs of EKS, and processes on the nodes."""
    gcp: Detector = Detector.NONE
    """Security Command Center of the Google Cloud project. `managed` is not possible: a person activates it."""
    azure: Detector = Detector.NONE
    """Microsoft Defender for Containers, a plan of the Azure subscription."""
    alert_emails: tuple[EmailAddress, ...] | None = None
    """Addresses that get an email for each finding. AWS sends nothing to an address until its owner confirms it.
    Without it, `contacts.emails`."""
    minimum_severity: Severity = Severity.MEDIUM
    """Least severity of a finding that is an alert."""

    def choose(self, platform: Platform) -> Detector:
        """Return the choice for a cloud. It is `none` for other platforms."""
        choices = {Platform.AWS: self.aws, Platform.GCP: self.gcp, Platform.AZURE: self.azure}
        return choices.get(platform, Detector.NONE)


class DatabaseStatements(str, Enum):
    """The statements that Postgres writes into its log, by the extension pgAudit."""

    NONE = "none"
    """None. Connections, lock waits and slow statements are logged nevertheless."""
    DDL = "ddl"
    """Changes of the schema and of roles."""
    WRITES = "writes"
    """Also every INSERT, UPDATE and DELETE. It costs time for each."""
    ALL = "all"
    """Every statement. A server under load writes many GB a day, which clouds bill."""

    @property
    def classes(self) -> str:
        """Return the value of `pgaudit.log`."""
        return {"none": "none", "ddl": "ddl,role", "writes": "ddl,role,write", "all": "all"}[self.value]


class Audit(Section):
    """Records for auditors: requests to models, and statements in Postgres."""

    model_access: bool = True
    """Whether each request to the model buckets is logged.
    S3: in a bucket next to it, free but for its storage. Google Cloud and Azure bill each GB of logs: loading a model
    writes a line for each part of a file, about 10,000 lines for 400 GB."""
    database_statements: DatabaseStatements = DatabaseStatements.DDL
    """The statements that Postgres writes into its log."""


class Security(Section):
    """Threat detection, audit records and admission policies."""

    threat_detection: ThreatDetection = ThreatDetection()
    """Threat detection by the clouds' own services."""
    audit: Audit = Audit()
    """Records for auditors: requests to models, and statements in Postgres."""
    admission_policies: bool = True
    """Whether clusters enforce the admission policies of their cloud: Binary Authorization on GKE, Azure Policy on AKS.
    Both admit everything until you write a policy. EKS has no such service."""
