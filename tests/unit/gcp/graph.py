"""Mocks of Google Cloud, and the graph of a program that runs against them."""

from __future__ import annotations

from typing import Any

import pulumi_gcp as gcp
from pulumi.runtime import mocks

from tests.unit.graph import Graph, Program, record

PROJECT, PROJECT_NUMBER = "acme-prod", "123456789012"
PASSWORD = "generated"


class _Mocks(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = {"name": args.name, **args.inputs}
        if args.typ == "gcp:container/cluster:Cluster":
            outputs["endpoint"] = "10.0.128.2"
            outputs["masterAuth"] = {"clusterCaCertificate": "Q0E="}
        if args.typ == "gcp:serviceaccount/account:Account":
            email = f"{args.inputs['accountId']}@{PROJECT}.iam.gserviceaccount.com"
            outputs |= {"email": email, "member": f"serviceAccount:{email}"}
        if args.typ == "gcp:securitycenter/notificationServiceAccount:NotificationServiceAccount":
            outputs["member"] = (
                f"serviceAccount:service-{PROJECT_NUMBER}@gcp-sa-scc-notification.iam.gserviceaccount.com"
            )
        if args.typ == "gcp:storage/bucket:Bucket":
            outputs["url"] = f"gs://{args.inputs['name']}"
        if args.typ == "gcp:sql/databaseInstance:DatabaseInstance":
            outputs["privateIpAddress"] = "10.0.240.3"
        if args.typ == "gcp:redis/cluster:Cluster":
            outputs["discoveryEndpoints"] = [{"address": "10.0.128.7", "port": 6379}]
        if args.typ == "gcp:artifactregistry/repository:Repository":
            outputs["registryUri"] = f"us-central1-docker.pkg.dev/{PROJECT}/{args.inputs['repositoryId']}"
        if args.typ == "gcp:compute/address:Address":
            outputs["address"] = "203.0.113.7"
        if args.typ == "gcp:filestore/instance:Instance":
            outputs["networks"] = [{**item, "ipAddresses": ["10.0.240.7"]} for item in args.inputs["networks"]]
        if args.typ == "random:index/randomPassword:RandomPassword":
            outputs["result"] = PASSWORD
        return f"projects/{PROJECT}/{args.name}", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        results: dict[str, dict[str, Any]] = {
            "gcp:organizations/getProject:getProject": {"projectId": PROJECT, "number": PROJECT_NUMBER},
            "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": {
                "member": f"serviceAccount:service-{PROJECT_NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
            },
            "gcp:storage/getTransferProjectServiceAccount:getTransferProjectServiceAccount": {
                "member": f"serviceAccount:project-{PROJECT_NUMBER}@storage-transfer-service.iam.gserviceaccount.com"
            },
        }
        return results[args.token], []


def declare(program: Program) -> Graph:
    """Return the graph of a program, as of its first update."""
    return record(program, _Mocks(), lambda: gcp.Provider("explicit", project=PROJECT, region="us-central1"))
