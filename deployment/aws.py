"""What a stack does on AWS: own the registry, and run the release on ECS."""

import functools
import json
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_aws as aws
from pulumi import InvokeOptions, InvokeOutputOptions, Output, ResourceOptions

from components.ecs_alarms import AlarmArgs
from components.ecs_documents import repository_arn
from components.ecs_load_balancer import LoadBalancerArgs
from components.ecs_logs import FireLensArgs
from components.ecs_scaling import MetricArgs
from components.ecs_service import EcsService, EcsServiceArgs
from components.errors import ArgumentError
from components.network import Network, NetworkArgs
from components.registry import EcrRegistry, EcrRegistryArgs
from components.service import ServiceArgs, ServiceOutputs
from deployment.registries import Login
from deployment.sections import required
from deployment.verification import TEMPORAL
from deployment.workloads import NAME
from settings import EcrRegistry as OwnedRegistry
from settings import ExternalRegistry, Settings
from settings.ecs import EcsOptions

if TYPE_CHECKING:
    from components.image import BuiltImage
    from components.promoted_image import PromotedImage

PLAIN_KEYS = (
    "access_key",
    "profile",
    "s3_use_path_style",
    "skip_credentials_validation",
    "skip_metadata_api_check",
    "skip_region_validation",
    "skip_requesting_account_id",
)
JSON_KEYS = ("allowed_account_ids", "assume_roles", "endpoints", "forbidden_account_ids")
SECRET_KEYS = ("secret_key", "token")
"""Keys of the namespace `aws:` that a stack may set. The engine gives them to providers that it makes
itself, and not to one with tags of its own."""


def registry(stack: Settings, owned: OwnedRegistry) -> EcrRegistry:
    """The repositories that the stack owns."""
    return EcrRegistry(
        f"{NAME}-registry",
        EcrRegistryArgs(
            repository=owned.repository,
            development_repository=owned.development_repository,
            keep_releases=owned.keep_releases,
            development_days=owned.development_days,
            kms_key=owned.kms_key,
            pull_accounts=owned.pull_accounts,
            replicate_to=owned.replicate_to,
        ),
        opts=ResourceOptions(provider=_provider(_owner(stack))),
    )


def ecr_login(stack: Settings, region: str | None = None) -> tuple[str, Login]:
    """The host of this account's registry, and a login that is good for 12 hours and for every account's.

    Args:
        region: of the registry. Defaults to the stack's own.
    """
    answer = aws.ecr.get_authorization_token(
        region=region, opts=InvokeOptions(provider=_provider(_owner(stack)))
    )
    return answer.proxy_endpoint.partition("://")[2], Login(answer.user_name, answer.password)


def secret_value(stack: Settings, reference: str) -> Output[str]:
    """What an ARN of Secrets Manager or SSM stands for, as a Pulumi secret.

    Args:
        reference: as ECS takes it: a secret's ARN may go on with `:json-key:stage:version`.
    """
    opts = InvokeOutputOptions(provider=_provider(_owner(stack)))
    parts = reference.split(":")
    if parts[2] == "ssm":
        found = aws.ssm.get_parameter_output(name=reference, with_decryption=True, opts=opts)
        return Output.secret(found.value)
    key, stage, version = (*parts[7:], "", "", "")[:3]
    found = aws.secretsmanager.get_secret_version_output(
        secret_id=":".join(parts[:7]), version_stage=stage or None, version_id=version or None, opts=opts
    )
    value = found.secret_string
    return Output.secret(value.apply(lambda text: str(json.loads(text)[key])) if key else value)


def run(stack: Settings, release: "BuiltImage | PromotedImage", args: ServiceArgs) -> ServiceOutputs:
    """The ECS runtime."""
    options = required(stack.service).ecs
    child = ResourceOptions(provider=_provider(_owner(stack)))
    network = Network(f"{NAME}-network", _network(options), opts=child)
    running = EcsService(
        NAME,
        EcsServiceArgs(
            service=args,
            stack=f"{pulumi.get_project()}-{pulumi.get_stack()}",
            region=region(),
            connection=connection(),
            temporal=_temporal(stack),
            vpc_id=network.vpc_id,
            public_subnets=network.public_subnets,
            private_subnets=network.private_subnets,
            **_pull(stack, release),
            cluster=options.cluster,
            capacity=options.capacity,
            architecture=options.architecture,
            platform_version=options.platform_version,
            load_balancer=LoadBalancerArgs(**dict(options.load_balancer)),
            alarms=AlarmArgs(**dict(options.alarms)),
            log_retention=options.logs.retention,
            log_key=options.logs.kms_key,
            fire_lens=FireLensArgs(**dict(options.logs.fire_lens)) if options.logs.fire_lens else None,
            requests_per_target=options.requests_per_target,
            worker_metric=MetricArgs(**dict(options.worker_metric)) if options.worker_metric else None,
            deployment=options.deployment,
            allow_exec=options.exec,
            dashboard=options.dashboard,
            # Not default tags: a release would then change every resource of the stack.
            release_tags={"release": required(stack.image_tag), "git-revision": release.revision},
        ),
        opts=child,
    )
    return running.outputs


def region() -> str:
    """The stack's AWS region.

    Raises:
        ArgumentError: it has none.
    """
    if not aws.config.region:
        raise ArgumentError(
            "aws:region is required by what this stack does on AWS\n  fix: pulumi config set aws:region eu-west-1"
        )
    return aws.config.region


def _network(options: EcsOptions) -> NetworkArgs:
    return NetworkArgs(region=region(), **dict(options.network))


def _pull(stack: Settings, release: "BuiltImage | PromotedImage") -> dict[str, Any]:
    """How tasks get the image: from ECR by their role, from another registry by the stack's login.

    The image's ECR repository is known from the stack that owns it, else from the reference's host.
    """
    told = getattr(release, "repository_arn", None)
    pull = {"repository_arn": told or release.reference.apply(repository_arn)}
    external = stack.registry
    if isinstance(external, ExternalRegistry) and external.username and external.password:
        pull |= {"pull_username": external.username, "pull_password": external.password.output()}
    return pull


def aws_provider(stack: Settings) -> aws.Provider:
    """The one AWS provider of a stack."""
    return _provider(_owner(stack))


def _owner(stack: Settings) -> str:
    return stack.owner or pulumi.get_project()


@functools.cache
def _provider(owner: str) -> aws.Provider:
    """The one AWS provider of a stack; whatever it makes says which stack made it, and whose it is."""
    tags = {"project": pulumi.get_project(), "stack": pulumi.get_stack(), "owner": owner}
    return aws.Provider(
        "aws",
        region=region(),
        default_tags=aws.ProviderDefaultTagsArgs(tags=tags),
        **_configured(),
    )


def _configured() -> dict[str, Any]:
    """What the stack sets in the namespace `aws:`; secrets as such."""
    configured = {key: getattr(aws.config, key) for key in PLAIN_KEYS}
    configured |= {key: json.loads(getattr(aws.config, key) or "null") for key in JSON_KEYS}
    configured |= {
        key: Output.secret(value) for key in SECRET_KEYS if (value := getattr(aws.config, key)) is not None
    }
    return {key: value for key, value in configured.items() if value is not None}


def connection() -> dict[str, Any]:
    """How a verdict reaches the AWS that the provider reaches."""
    known = ("access_key", "assume_roles", "endpoints", "profile", *SECRET_KEYS)
    return {"region": region(), **{key: value for key, value in _configured().items() if key in known}}


def _temporal(stack: Settings) -> dict[str, Any] | None:
    """Where the worker must be seen polling: what `verify.worker` names, unless the deployer cannot get there."""
    service = required(stack.service)
    worker = stack.verify.worker if stack.verify else None
    if worker is None or not service.rollout.pollers:
        return None
    address = worker.address or service.environment[TEMPORAL]
    return {"address": address, "namespace": worker.namespace, "queues": list(worker.task_queues)}
