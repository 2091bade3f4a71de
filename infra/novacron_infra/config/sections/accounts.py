"""`accounts`: the cloud accounts that own the resources."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novacron_infra.config.sections.base import Name, Section


class Accounts(Section):
    """Whose the resources are, where the clouds' own configuration does not say it."""

    aws_account_id: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    """Account of the regions on AWS; none: every run asks each region's STS, and ends where it is dead."""
    google_project: Name | None = None
    """Project of the regions on Google Cloud."""
    azure_subscription_id: Name | None = None
    """Subscription of the regions on Azure."""
