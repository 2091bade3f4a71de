"""`accounts`: the cloud accounts that own the resources."""

from __future__ import annotations

from typing import Annotated

from novacron_infra.config.sections.base import Name, Section, TextPattern

AwsAccountId = Annotated[str, TextPattern(r"[0-9]{12}", "an AWS account id has 12 digits, in quotes", "123456789012")]


class Accounts(Section):
    """The cloud accounts that own the resources.

    State them where the clouds' own configuration, such as an AWS profile, does not.
    """

    aws_account_id: AwsAccountId | None = None
    """AWS account of the regions on AWS, 12 digits in quotes.
    Without it, every run asks AWS STS in each region, and a run fails while the STS of one region does not answer."""
    google_project: Name | None = None
    """Id of the Google Cloud project that owns the regions on `gcp`, such as example-prod. Needed there."""
    azure_subscription_id: Name | None = None
    """Id of the Azure subscription that owns the regions on `azure`, as `az account show --query id` prints it.
    Needed there."""

    def require_google_project(self) -> str:
        """Return the project of the regions on Google Cloud. `check_accounts` rejects an environment without one."""
        if self.google_project is None:
            raise ValueError("accounts.google_project is missing; regions on gcp need a Google Cloud project")
        return self.google_project

    def require_azure_subscription_id(self) -> str:
        """Return the subscription of the regions on Azure. `check_accounts` rejects an environment without one."""
        if self.azure_subscription_id is None:
            raise ValueError("accounts.azure_subscription_id is missing; regions on azure need a subscription")
        return self.azure_subscription_id
