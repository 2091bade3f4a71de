"""NovaCron rehearsal: runs any Pulumi stack without the Pulumi CLI and without a cloud account."""
