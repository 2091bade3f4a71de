"""`contacts`: the team that is responsible for the environment."""

from __future__ import annotations

from novacron_infra.config.sections.base import EmailAddress, Name, Section


class Contacts(Section):
    """The team that is responsible for the environment, and its addresses."""

    team: Name | None = None
    """Name of the team, such as search-platform: the tag `Owner` of every resource; a label on Google Cloud."""
    emails: tuple[EmailAddress, ...] = ()
    """Addresses of the team.
    They get the findings of threat detection, unless `security.threat_detection.alert_emails` names others."""
