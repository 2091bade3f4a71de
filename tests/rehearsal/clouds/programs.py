"""A small cluster program for each cloud. `size` in the configuration changes one resource; SIZES counts them all."""

PROGRAMS = {
    "aws": """
        import json, pulumi, pulumi_aws as aws
        size = pulumi.Config().get_int("size") or 1
        vpc = aws.ec2.Vpc("main", cidr_block="10.0.0.0/16")
        zones = aws.get_availability_zones(state="available").names
        subnets = [
            aws.ec2.Subnet(f"s{i}", vpc_id=vpc.id, cidr_block=f"10.0.{i}.0/24", availability_zone=zones[i])
            for i in range(2)
        ]
        trust = aws.iam.get_policy_document(statements=[{
            "actions": ["sts:AssumeRole"], "principals": [{"type": "Service", "identifiers": ["eks.amazonaws.com"]}],
        }])
        role = aws.iam.Role("cluster", assume_role_policy=trust.json)
        cluster = aws.eks.Cluster("gpu", role_arn=role.arn, vpc_config={"subnet_ids": [s.id for s in subnets]})
        aws.iam.OpenIdConnectProvider(
            "oidc", url=cluster.identities[0].oidcs[0].issuer, client_id_lists=["sts.amazonaws.com"],
        )
        pool = aws.eks.NodeGroup(
            "pool", cluster_name=cluster.name, node_role_arn=role.arn, subnet_ids=[s.id for s in subnets],
            scaling_config={"desired_size": size, "min_size": 0, "max_size": 8}, instance_types=["p5.48xlarge"],
        )
        pulumi.export("changed", pool.scaling_config.desired_size)
        pulumi.export("endpoint", cluster.endpoint)
        pulumi.export("authority", cluster.certificate_authority.data)
        pulumi.export("group", pool.resources[0].autoscaling_groups[0].name)
    """,
    "gcp": """
        import pulumi, pulumi_gcp as gcp
        size = pulumi.Config().get_int("size") or 1
        project = gcp.organizations.get_project().project_id
        network = gcp.compute.Network("main", auto_create_subnetworks=False)
        subnet = gcp.compute.Subnetwork("main", network=network.id, ip_cidr_range="10.0.0.0/16", region="us-east4")
        account = gcp.serviceaccount.Account("nodes", account_id="nodes")
        cluster = gcp.container.Cluster(
            "gpu", location="us-east4", network=network.id, subnetwork=subnet.id, remove_default_node_pool=True,
            initial_node_count=1, workload_identity_config={"workload_pool": f"{project}.svc.id.goog"},
        )
        pool = gcp.container.NodePool(
            "pool", cluster=cluster.id, location="us-east4", node_count=size,
            node_config={"machine_type": "a3-highgpu-8g", "service_account": account.email},
        )
        pulumi.export("changed", pool.node_count)
        pulumi.export("endpoint", cluster.endpoint)
        pulumi.export("authority", cluster.master_auth.cluster_ca_certificate)
    """,
    "azure-native": """
        import base64, pulumi, pulumi_azure_native as azure
        size = pulumi.Config().get_int("size") or 1
        group = azure.resources.ResourceGroup("gpu", location="eastus")
        network = azure.network.VirtualNetwork(
            "main", resource_group_name=group.name, location="eastus",
            address_space={"address_prefixes": ["10.0.0.0/8"]},
        )
        subnet = azure.network.Subnet(
            "nodes", resource_group_name=group.name, virtual_network_name=network.name, address_prefix="10.1.0.0/16",
        )
        cluster = azure.containerservice.ManagedCluster(
            "gpu", resource_group_name=group.name, location="eastus", dns_prefix="gpu",
            identity={"type": azure.containerservice.ResourceIdentityType.SYSTEM_ASSIGNED},
            oidc_issuer_profile={"enabled": True},
            agent_pool_profiles=[{"name": "system", "mode": "System", "count": 1, "vm_size": "Standard_D4s_v5"}],
        )
        pool = azure.containerservice.AgentPool(
            "pool", resource_group_name=group.name, resource_name_=cluster.name, count=size,
            vm_size="Standard_ND96isr_H100_v5", vnet_subnet_id=subnet.id,
        )
        credentials = azure.containerservice.list_managed_cluster_user_credentials_output(
            resource_group_name=group.name, resource_name=cluster.name,
        )
        pulumi.export("changed", pool.count)
        pulumi.export("endpoint", cluster.fqdn)
        pulumi.export("issuer", cluster.oidc_issuer_profile.issuer_url)
        pulumi.export("kubeconfig", credentials.kubeconfigs[0].value.apply(lambda v: base64.b64decode(v).decode()))
    """,
    "kubernetes": """
        import pulumi, pulumi_kubernetes as k8s
        size = pulumi.Config().get_int("size") or 1
        space = k8s.core.v1.Namespace("serving")
        labels = {"app": "worker"}
        deployment = k8s.apps.v1.Deployment(
            "worker", metadata={"namespace": space.metadata.name},
            spec={
                "replicas": size, "selector": {"match_labels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "worker", "image": "worker:1",
                                             "resources": {"limits": {"nvidia.com/gpu": "8"}}}]},
                },
            },
        )
        k8s.apiextensions.CustomResource(
            "scaler", api_version="keda.sh/v1alpha1", kind="ScaledObject",
            metadata={"namespace": space.metadata.name}, spec={"maxReplicaCount": 8},
        )
        service = k8s.core.v1.Service(
            "worker", metadata={"namespace": space.metadata.name},
            spec={"type": "LoadBalancer", "selector": labels, "ports": [{"port": 80}]},
        )
        pulumi.export("changed", deployment.status.ready_replicas)
        pulumi.export("endpoint", service.status.load_balancer.ingress[0].hostname)
    """,
}
SIZES = {"aws": 7, "gcp": 5, "azure-native": 5, "kubernetes": 4}
