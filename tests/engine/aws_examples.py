"""One example of each type the product uses, and of what it needs around it, in the order of creation."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

from sandbox.aws import REGION
from sandbox.providers.aws_tasks import normal
from tests.engine.aws_client import Client, Made

Props = dict[str, Any]
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}]})  # fmt: skip
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Action": ["logs:PutLogEvents"], "Resource": ["arn:aws:logs:*:*:log-group:x"]}]})  # fmt: skip
EXPIRE = json.dumps({"rules": [{
    "rulePriority": 1, "action": {"type": "expire"}, "description": "untagged",
    "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 3}}]})  # fmt: skip
TAGS = {"project": "antgent", "stack": "test"}


class Examples:
    """Creates examples one after another; `inputs` remembers what each was asked for."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.mark = uuid.uuid4().hex[:6]
        self.made: dict[str, Made] = {}
        self.inputs: dict[str, Props] = {}

    def add(self, key: str, kind: str, inputs: Props) -> Made:
        self.inputs[key] = inputs
        self.made[key] = self.client.create(f"aws:{kind}", inputs, name=f"{key}-{self.mark}")
        return self.made[key]

    def create_all(self) -> None:
        for part in (self._registry, self._iam, self._network, self._security, self._balancer, self._tasks,
                     self._watch, self._secrets, self._edge):  # fmt: skip
            part()

    def backwards(self) -> Iterator[tuple[str, Made]]:
        """In the order of deletion."""
        return reversed(list(self.made.items()))

    def _registry(self) -> None:
        repository = self.add("repository", "ecr/repository:Repository", {
            "imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfigurations": [{"encryptionType": "AES256"}], "tags": TAGS})  # fmt: skip
        self.add(
            "lifecycle",
            "ecr/lifecyclePolicy:LifecyclePolicy",
            {"repository": repository["name"], "policy": EXPIRE},
        )
        pull = {"Version": "2012-10-17", "Statement": [{"Sid": "Pull", "Effect": "Allow", "Principal": {
            "AWS": "arn:aws:iam::111122223333:root"}, "Action": ["ecr:BatchGetImage"]}]}  # fmt: skip
        policy = {"repository": repository["name"], "policy": json.dumps(pull)}
        self.add("repository-policy", "ecr/repositoryPolicy:RepositoryPolicy", policy)
        self.add("replication", "ecr/replicationConfiguration:ReplicationConfiguration", {"replicationConfiguration": {
            "rules": [{"destinations": [{"region": "eu-west-1", "registryId": "123456789012"}],
                       "repositoryFilters": [{"filter": "rel", "filterType": "PREFIX_MATCH"}]}]}})  # fmt: skip
        self.add("scanning", "ecr/registryScanningConfiguration:RegistryScanningConfiguration", {
            "scanType": "BASIC", "rules": [{"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [
                {"filter": "*", "filterType": "WILDCARD"}]}]})  # fmt: skip

    def _iam(self) -> None:
        role = self.add(
            "role", "iam/role:Role", {"assumeRolePolicy": TRUST, "description": "tasks", "tags": TAGS}
        )
        self.add("role-policy", "iam/rolePolicy:RolePolicy", {"role": role["name"], "policy": ALLOW})
        policy = self.add("policy", "iam/policy:Policy", {"policy": ALLOW, "tags": TAGS})
        attached = {"role": role["name"], "policyArn": policy["arn"]}
        self.add("attachment", "iam/rolePolicyAttachment:RolePolicyAttachment", attached)
        self.add("oidc", "iam/openIdConnectProvider:OpenIdConnectProvider", {
            "url": f"https://token-{self.mark}.example.com", "clientIdLists": ["sts.amazonaws.com"], "tags": TAGS,
            "thumbprintLists": ["cf23df2207d99a74fbe169e3eba035e633b65d94"]})  # fmt: skip

    def _network(self) -> None:
        vpc = self.add(
            "vpc", "ec2/vpc:Vpc", {"cidrBlock": "10.7.0.0/16", "enableDnsHostnames": True, "tags": TAGS}
        )
        for place, zone in enumerate("ab"):
            self.add(f"subnet-{zone}", "ec2/subnet:Subnet", {
                "vpcId": vpc.id, "cidrBlock": f"10.7.{place}.0/24", "availabilityZone": f"{REGION}{zone}",
                "mapPublicIpOnLaunch": zone == "a", "tags": TAGS})  # fmt: skip
        gateway = self.add("gateway", "ec2/internetGateway:InternetGateway", {"vpcId": vpc.id, "tags": TAGS})
        eip = self.add("eip", "ec2/eip:Eip", {"domain": "vpc", "tags": TAGS})
        subnet = self.made["subnet-a"].id
        self.add(
            "nat", "ec2/natGateway:NatGateway", {"allocationId": eip.id, "subnetId": subnet, "tags": TAGS}
        )
        table = self.add("table", "ec2/routeTable:RouteTable", {"vpcId": vpc.id, "tags": TAGS})
        self.add("route", "ec2/route:Route", {
            "routeTableId": table.id, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway.id})  # fmt: skip
        joined = {"routeTableId": table.id, "subnetId": subnet}
        self.add("association", "ec2/routeTableAssociation:RouteTableAssociation", joined)
        self.add("s3", "ec2/vpcEndpoint:VpcEndpoint", {
            "vpcId": vpc.id, "serviceName": f"com.amazonaws.{REGION}.s3", "vpcEndpointType": "Gateway",
            "routeTableIds": [table.id], "tags": TAGS})  # fmt: skip

    def _security(self) -> None:
        vpc = self.made["vpc"].id
        group = self.add(
            "group", "ec2/securityGroup:SecurityGroup", {"vpcId": vpc, "description": "one", "tags": TAGS}
        )
        self.add("inline", "ec2/securityGroup:SecurityGroup", {
            "vpcId": vpc, "ingress": [
                {"protocol": "tcp", "fromPort": 80, "toPort": 80, "cidrBlocks": ["0.0.0.0/0"]},
                {"protocol": "tcp", "fromPort": 81, "toPort": 81, "securityGroups": [group.id]}],
            "egress": [{"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}]})  # fmt: skip
        self.add("ingress", "vpc/securityGroupIngressRule:SecurityGroupIngressRule", {
            "securityGroupId": group.id, "ipProtocol": "tcp", "fromPort": 443, "toPort": 443,
            "cidrIpv4": "0.0.0.0/0", "description": "https", "tags": TAGS})  # fmt: skip
        self.add("egress", "vpc/securityGroupEgressRule:SecurityGroupEgressRule", {
            "securityGroupId": group.id, "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0", "tags": TAGS})  # fmt: skip
        self.add("referring", "vpc/securityGroupIngressRule:SecurityGroupIngressRule", {
            "securityGroupId": group.id, "ipProtocol": "tcp", "fromPort": 8080, "toPort": 8080,
            "referencedSecurityGroupId": self.made["inline"].id, "tags": TAGS})  # fmt: skip
        self.add("endpoint", "ec2/vpcEndpoint:VpcEndpoint", {
            "vpcId": vpc, "serviceName": f"com.amazonaws.{REGION}.ecr.api", "vpcEndpointType": "Interface",
            "subnetIds": [self.made["subnet-b"].id, self.made["subnet-a"].id], "privateDnsEnabled": True,
            "securityGroupIds": [group.id], "tags": TAGS})  # fmt: skip

    def _balancer(self) -> None:
        subnets = [self.made["subnet-b"].id, self.made["subnet-a"].id]
        balancer = self.add("balancer", "lb/loadBalancer:LoadBalancer", {
            "internal": False, "loadBalancerType": "application", "subnets": subnets,
            "securityGroups": [self.made["group"].id], "dropInvalidHeaderFields": True, "idleTimeout": 30,
            "accessLogs": {"bucket": f"logs-{self.mark}", "enabled": True, "prefix": "lb"}, "tags": TAGS})  # fmt: skip
        group = self.add("targets", "lb/targetGroup:TargetGroup", {
            "port": 8080, "protocol": "HTTP", "targetType": "ip", "vpcId": self.made["vpc"].id,
            "deregistrationDelay": 15, "tags": TAGS,
            "healthCheck": {"path": "/version", "matcher": "200-299", "interval": 10, "timeout": 5}})  # fmt: skip
        listener = self.add("listener", "lb/listener:Listener", {
            "loadBalancerArn": balancer["arn"], "port": 80, "protocol": "HTTP", "tags": TAGS,
            "defaultActions": [{"type": "redirect", "redirect": {
                "port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}}]})  # fmt: skip
        self.add("secure", "lb/listener:Listener", {
            "loadBalancerArn": balancer["arn"], "port": 8081, "protocol": "HTTP",
            "defaultActions": [{"type": "forward", "targetGroupArn": group["arn"]}], "tags": TAGS})  # fmt: skip
        self.add("rule", "lb/listenerRule:ListenerRule", {
            "listenerArn": listener["arn"], "priority": 5, "tags": TAGS,
            "actions": [{"type": "fixed-response", "fixedResponse": {
                "contentType": "text/plain", "statusCode": "403", "messageBody": "no"}}],
            "conditions": [{"pathPattern": {"values": ["/metrics", "/docs"]}}]})  # fmt: skip

    def _tasks(self) -> None:
        cluster = self.add("cluster", "ecs/cluster:Cluster", {
            "settings": [{"name": "containerInsights", "value": "enabled"}], "tags": TAGS})  # fmt: skip
        self.add("capacity", "ecs/clusterCapacityProviders:ClusterCapacityProviders", {
            "clusterName": cluster["name"], "capacityProviders": ["FARGATE_SPOT", "FARGATE"],
            "defaultCapacityProviderStrategies": [{"capacityProvider": "FARGATE", "weight": 1}]})  # fmt: skip
        task = self.add("task", "ecs/taskDefinition:TaskDefinition", self.task("r/app@sha256:1"))
        service = self.add("service", "ecs/service:Service", self.service(cluster["arn"], task["arn"]))
        resource = f"service/{cluster['name']}/{service['name']}"
        keys = {
            "resourceId": resource,
            "scalableDimension": "ecs:service:DesiredCount",
            "serviceNamespace": "ecs",
        }
        self.add(
            "scaling",
            "appautoscaling/target:Target",
            {"minCapacity": 2, "maxCapacity": 6, **keys, "tags": TAGS},
        )
        self.add("tracking", "appautoscaling/policy:Policy", {**keys, "policyType": "TargetTrackingScaling",
            "targetTrackingScalingPolicyConfiguration": {"targetValue": 60, "scaleInCooldown": 120,
                "predefinedMetricSpecification": {"predefinedMetricType": "ECSServiceAverageCPUUtilization"}}})  # fmt: skip

    def task(self, image: str) -> Props:
        container = {
            "name": "server", "image": image, "portMappings": [
                {"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}],
            "readonlyRootFilesystem": True, "linuxParameters": {"initProcessEnabled": True}, "stopTimeout": 30}  # fmt: skip
        return {
            "family": f"app-{self.mark}", "cpu": "256", "memory": "512", "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"], "executionRoleArn": self.made["role"]["arn"],
            "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
            "containerDefinitions": normal([container]), "tags": TAGS}  # fmt: skip

    def service(self, cluster: str, task: str) -> Props:
        return {
            "cluster": cluster, "taskDefinition": task, "desiredCount": 2, "launchType": "FARGATE",
            "networkConfiguration": {"subnets": [self.made["subnet-b"].id, self.made["subnet-a"].id],
                                     "securityGroups": [self.made["group"].id], "assignPublicIp": False},
            "loadBalancers": [{"targetGroupArn": self.made["targets"]["arn"], "containerName": "server",
                               "containerPort": 8080}],
            "deploymentCircuitBreaker": {"enable": True, "rollback": True}, "healthCheckGracePeriodSeconds": 30,
            "alarms": {"alarmNames": ["x"], "enable": True, "rollback": True}, "propagateTags": "SERVICE",
            "availabilityZoneRebalancing": "ENABLED", "platformVersion": "1.4.0", "tags": TAGS}  # fmt: skip

    def _watch(self) -> None:
        self.add("logs", "cloudwatch/logGroup:LogGroup", {"retentionInDays": 30, "tags": TAGS})
        topic = self.add("topic", "sns/topic:Topic", {"displayName": "alarms", "tags": TAGS})
        self.add("subscription", "sns/topicSubscription:TopicSubscription", {
            "topic": topic["arn"], "protocol": "email", "endpoint": "ops@example.com"})  # fmt: skip
        self.add("alarm", "cloudwatch/metricAlarm:MetricAlarm", {
            "comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 2, "threshold": 5,
            "metricName": "HTTPCode_Target_5XX_Count", "namespace": "AWS/ApplicationELB", "period": 60,
            "statistic": "Sum", "dimensions": {"LoadBalancer": self.made["balancer"]["arnSuffix"]},
            "alarmActions": [topic["arn"]], "treatMissingData": "notBreaching", "tags": TAGS})  # fmt: skip
        query = {"id": "e1", "expression": "m1*100", "label": "rate", "returnData": True}
        metric = {"metricName": "RequestCount", "namespace": "AWS/ApplicationELB", "period": 60, "stat": "Sum",
                  "dimensions": {"LoadBalancer": "x"}}  # fmt: skip
        self.add("math", "cloudwatch/metricAlarm:MetricAlarm", {
            "comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 2, "threshold": 5.5, "tags": TAGS,
            "metricQueries": [query, {"id": "m1", "metric": metric}]})  # fmt: skip
        body = json.dumps({"widgets": [{"type": "text", "properties": {"markdown": "hi"}}]}, indent=1)
        board = {"dashboardName": f"board-{self.mark}", "dashboardBody": body}
        self.add("dashboard", "cloudwatch/dashboard:Dashboard", board)

    def _secrets(self) -> None:
        secret = self.add("secret", "secretsmanager/secret:Secret", {"recoveryWindowInDays": 0, "tags": TAGS})
        self.add(
            "text",
            "secretsmanager/secretVersion:SecretVersion",
            {"secretId": secret.id, "secretString": "s3"},
        )
        key = self.add("key", "kms/key:Key", {"description": "logs", "enableKeyRotation": True, "tags": TAGS})
        self.add("alias", "kms/alias:Alias", {"name": f"alias/app-{self.mark}", "targetKeyId": key["keyId"]})

    def _edge(self) -> None:
        zone = self.client.boto("route53").create_hosted_zone(Name="example.com", CallerReference=self.mark)
        self.zone = zone["HostedZone"]["Id"].rpartition("/")[2]
        self.add("record", "route53/record:Record", {
            "zoneId": self.zone, "name": "app.example.com", "type": "A", "aliases": [{
                "name": self.made["balancer"]["dnsName"], "zoneId": self.made["balancer"]["zoneId"],
                "evaluateTargetHealth": True}]})  # fmt: skip
        self.add("certificate", "acm/certificate:Certificate", {
            "domainName": "app.example.com", "validationMethod": "DNS", "tags": TAGS})  # fmt: skip
