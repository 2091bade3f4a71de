"""Exports the planned resources of a stack in forms that independent scanners read.

A stack is deployed to simulated clouds first, so that names, ARNs and policy documents are known.

    .venv/bin/python -m tools.planned_resources prod prod-gcp prod-azure --output exported

writes for each stack, for the clouds that it uses, `<stack>.aws.json` and `<stack>.gcp.json` (Terraform plans),
`<stack>.azure.json` (an ARM template) and `<stack>.iam.json` (IAM documents by resource).
"""
