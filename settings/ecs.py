"""Options of the ECS runtime."""

from typing import Annotated, Literal

from pydantic import Field

from settings.values import Arn, Cidr, DnsName, Many, Section, Subnet, Text, Vpc, Word

ZoneId = Annotated[
    str, Text(r"Z[A-Z0-9]{5,31}", "must be the id of a Route 53 zone", "Z0123456789ABCDEFGHIJ")
]
HttpCodes = Annotated[
    str,
    Text(
        r"[1-5][0-9]{2}(?:[-,][1-5][0-9]{2})*",
        "must be status codes, such as 200, 200,204 or 200-399",
        "200-399",
    ),
]
ClusterName = Annotated[str, Text(r"[A-Za-z0-9_-]{1,255}", "must be the name of an ECS cluster", "antgent")]
Bucket = Annotated[
    str, Text(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "must be the name of an S3 bucket", "example-access-logs")
]
# The days CloudWatch Logs offers.
Retention = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653]


class Network(Section):
    """An existing VPC (`vpcId` and its subnets), or a new one (`cidr`, `zones`, `nat`, `endpoints`)."""

    vpc_id: Vpc | None = None
    """An existing VPC. Defaults to a new one."""
    public_subnets: Many[Subnet] = ()
    """Subnets of the load balancer, in two zones at least; only with `vpcId`. Defaults to none."""
    private_subnets: Many[Subnet] = ()
    """Subnets of the tasks; only with `vpcId`. Defaults to none."""
    cidr: Cidr = "10.20.0.0/16"
    """Addresses of a new VPC. Defaults to 10.20.0.0/16."""
    zones: int = Field(default=2, ge=2, le=3)
    """Availability zones of a new VPC. Defaults to 2."""
    nat: Literal["none", "one", "each-zone"] = "one"
    """NAT gateways of a new VPC; with `none` tasks reach AWS through `endpoints` only. Defaults to `one`."""
    endpoints: bool = True
    """Private endpoints for ECR, S3, Logs and Secrets Manager in a new VPC. Defaults to true."""


class LoadBalancer(Section):
    """How the server is reached."""

    domain: DnsName | None = None
    """The name the server answers to; needs `certificate`. Defaults to the load balancer's own name."""
    certificate: Arn | None = Field(
        default=None,
        examples=["arn:aws:acm:eu-west-1:111122223333:certificate/example"],
    )
    """ACM certificate for HTTPS. Defaults to plain HTTP, with a warning."""
    zone_id: ZoneId | None = None
    """Route 53 zone that gets a record for `domain`. Defaults to none: the record is made elsewhere."""
    access_logs_bucket: Bucket | None = None
    """S3 bucket for access logs. Defaults to none."""
    web_acl: Arn | None = None
    """WAF web ACL. Defaults to none."""
    deletion_protection: bool = False
    """Refuse to delete the load balancer. Defaults to false."""
    internal: bool = False
    """Reachable from inside the VPC only. Defaults to false."""
    healthy_codes: HttpCodes = "200-399"
    """Status codes of a healthy answer. Defaults to 200-399."""


class FireLens(Section):
    """A Fluent Bit beside each workload that takes its logs elsewhere; its own go to the log group."""

    image: Word = Field(examples=["public.ecr.aws/aws-observability/aws-for-fluent-bit:2.32.5"])
    """Fluent Bit's image. No default."""
    options: dict[Word, Word] = Field(examples=[{"Name": "cloudwatch_logs"}])
    """Options of its output, in plain text, so never a key. No default."""
    secrets: dict[Word, Arn] = {}
    """Options whose value is a secret, by its ARN in Secrets Manager or SSM. Defaults to none."""
    memory: int = Field(default=64, ge=32, le=2048)
    """What it may take of the task's memory, in MiB. Defaults to 64."""


class Logs(Section):
    """CloudWatch log groups."""

    retention: Retention = 30
    """Days logs are kept; CloudWatch offers certain numbers only. Defaults to 30."""
    kms_key: Arn | None = None
    """KMS key that encrypts them. Defaults to CloudWatch's own."""
    fire_lens: FireLens | None = None
    """Take the workloads' logs elsewhere. Defaults to CloudWatch."""


class Alarms(Section):
    """When AWS calls for help, and takes a release back."""

    enabled: bool = True
    """Make alarms on 5xx, unhealthy hosts and latency; they roll a release back. Defaults to true."""
    topic: Arn | None = None
    """An existing SNS topic that is told. Defaults to a topic of the stack's own."""
    latency: float = Field(default=2.0, gt=0, le=60)
    """Seconds (95th percentile) above which the latency alarm fires. Defaults to 2."""


class Metric(Section):
    """A CloudWatch metric that says how much work there is, such as a task queue's backlog."""

    namespace: Word = Field(examples=["antgent"])
    """Its namespace. No default."""
    name: Word = Field(examples=["backlog"])
    """Its name. No default."""
    target: float = Field(gt=0, examples=[10])
    """The average that scaling aims for. No default."""
    dimensions: dict[Word, Word] = {}
    """Its dimensions. Defaults to none."""


class EcsOptions(Section):
    """Options of the ECS runtime. Region and account come from the provider's own `aws:` keys."""

    cluster: ClusterName | None = None
    """An existing cluster. Defaults to a new one, with Container Insights."""
    network: Network = Network()
    """The VPC. Defaults to a new one of two zones with one NAT gateway."""
    load_balancer: LoadBalancer = LoadBalancer()
    """How the server is reached. Defaults to HTTP on the load balancer's own name."""
    capacity: Literal["fargate", "fargate-spot"] = "fargate"
    """What tasks run on; Spot tasks may be taken away at two minutes' notice. Defaults to `fargate`."""
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    """CPU architecture, the image's own. Defaults to `x86_64`."""
    platform_version: Word = "LATEST"
    """Fargate platform version. Defaults to `LATEST`."""
    requests_per_target: int | None = Field(default=None, ge=1)
    """Requests a minute and copy that server autoscaling aims for, too. Defaults to CPU only."""
    worker_metric: Metric | None = None
    """A metric that worker autoscaling follows instead of its CPU. Defaults to CPU."""
    deployment: Literal["rolling", "blue-green"] = "rolling"
    """How a release replaces the last one. Defaults to `rolling`."""
    exec: bool = False
    """Allow `aws ecs execute-command` into tasks, audited. Defaults to false."""
    dashboard: bool = True
    """Make a CloudWatch dashboard. Defaults to true."""
    logs: Logs = Logs()
    """CloudWatch log groups. Defaults to 30 days."""
    alarms: Alarms = Alarms()
    """Alarms. Defaults to on."""
