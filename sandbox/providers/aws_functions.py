"""The functions of `pulumi_aws` that the program calls: who asks, where, and what there is."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.providers import aws_images
from sandbox.providers.aws_client import AwsClients, said
from sandbox.providers.aws_policy import get_policy_document
from sandbox.providers.aws_tags import mapped
from sandbox.providers.resource import CheckError, Props
from sandbox.providers.session import Call, ProviderError


def _aws(call: Call, args: Props) -> AwsClients:
    return call.client.in_region(args.get("region"))


def get_caller_identity(call: Call, args: Props) -> Props:  # noqa: ARG001
    """The account, and who asks."""
    with said("sts", "reading STS Caller Identity"):
        found = call.client.of("sts").get_caller_identity()
    account = found["Account"]
    return {"accountId": account, "arn": found["Arn"], "id": account, "userId": found["UserId"]}


def get_region(call: Call, args: Props) -> Props:
    """The provider's region, or the one that was asked for."""
    region = args.get("region") or args.get("name") or call.client.region
    places = {"eu-central-1": "Europe (Frankfurt)", "us-east-1": "US East (N. Virginia)"}
    endpoint = f"ec2.{region}.amazonaws.com"
    return {
        "description": places.get(region, region), "endpoint": endpoint, "id": region, "name": region,
        "region": region,
    }  # fmt: skip


def get_partition(call: Call, args: Props) -> Props:  # noqa: ARG001
    """Which of AWS's separate worlds this is."""
    china = call.client.partition == "aws-cn"
    return {
        "dnsSuffix": "amazonaws.com.cn" if china else "amazonaws.com",
        "id": call.client.partition,
        "partition": call.client.partition,
        "reverseDnsPrefix": "cn.com.amazonaws" if china else "com.amazonaws",
    }


def get_availability_zones(call: Call, args: Props) -> Props:
    """The region's zones."""
    aws = _aws(call, args)
    filters = [{"Name": one["name"], "Values": one["values"]} for one in args.get("filters") or []]
    if args.get("state"):
        filters.append({"Name": "state", "Values": [args["state"]]})
    with said("ec2", "reading EC2 Availability Zones"):
        found = aws.of("ec2").describe_availability_zones(
            Filters=filters, AllAvailabilityZones=bool(args.get("allAvailabilityZones"))
        )["AvailabilityZones"]
    names, ids = args.get("excludeNames") or [], args.get("excludeZoneIds") or []
    zones = [one for one in found if one["ZoneName"] not in names and one["ZoneId"] not in ids]
    zones = sorted(zones, key=lambda one: one["ZoneName"])
    return {
        **args,
        "groupNames": sorted({one.get("GroupName") or aws.region for one in zones}),
        "id": aws.region,
        "names": [one["ZoneName"] for one in zones],
        "region": aws.region,
        "zoneIds": [one["ZoneId"] for one in zones],
    }


def get_authorization_token(call: Call, args: Props) -> Props:
    """A login for the registry; in the sandbox its registry takes any."""
    aws = _aws(call, args)
    with said("ecr", "reading ECR Authorization Token"):
        token = aws.of("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(token["authorizationToken"]).decode().partition(":")
    proxy = f"http://{aws_images.registry()}" if aws_images.registry() else token["proxyEndpoint"]
    until = token.get("expiresAt") or datetime.now(UTC) + timedelta(hours=12)
    return {
        "authorizationToken": token["authorizationToken"],
        "expiresAt": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "id": aws.region,
        "password": password,
        "proxyEndpoint": proxy,
        "region": aws.region,
        "registryId": args.get("registryId"),
        "userName": user,
    }


def get_image(call: Call, args: Props) -> Props:
    """An image by tag or digest; in the sandbox, from its real registry."""
    if not (args.get("imageTag") or args.get("imageDigest") or args.get("mostRecent")):
        raise CheckError({"imageTag": "one of `image_digest,image_tag,most_recent` must be specified"})
    aws, name = _aws(call, args), args["repositoryName"]
    with said("ecr", f"reading ECR Images ({name})"):
        repository = aws.of("ecr").describe_repositories(repositoryNames=[name])["repositories"][0]
        found = _in_sandbox(name, args) if aws_images.registry() else _at_aws(aws, name, args)
    if found is None:
        raise ProviderError(
            f"reading ECR Images ({name}): operation error ecr: DescribeImages, https response error "
            f"StatusCode: 400, ImageNotFoundException: The image with imageId {{imageDigest:"
            f"'{args.get('imageDigest') or 'null'}', imageTag:'{args.get('imageTag') or 'null'}'}} does not exist "
            f"within the repository with name '{name}' in the registry with id '{repository['registryId']}'"
        )
    url = aws_images.url(repository["repositoryUri"], name)
    digest = found["imageDigest"]
    return {
        **args, **found, "id": digest, "imageUri": f"{url}@{digest}", "region": aws.region,
        "registryId": repository["registryId"], "repositoryName": name,
    }  # fmt: skip


def _in_sandbox(name: str, args: Props) -> Props | None:
    wanted = args.get("imageDigest") or args.get("imageTag") or (aws_images.tags(name) or [""])[-1]
    digest = aws_images.digest(name, wanted) if wanted else None
    if digest is None:
        return None
    tags = [tag for tag in aws_images.tags(name) if aws_images.digest(name, tag) == digest]
    # When it was pushed and how large it is, the registry does not say.
    return {"imageDigest": digest, "imagePushedAt": 0, "imageSizeInBytes": 0, "imageTags": tags}


def _at_aws(aws: AwsClients, name: str, args: Props) -> Props | None:
    wanted = {key: args[key] for key in ("imageTag", "imageDigest") if args.get(key)}
    images = aws.of("ecr").describe_images(repositoryName=name, **({"imageIds": [wanted]} if wanted else {}))
    found = sorted(images["imageDetails"], key=lambda one: one["imagePushedAt"])
    return (
        None
        if not found
        else {
            "imageDigest": found[-1]["imageDigest"],
            "imagePushedAt": int(found[-1]["imagePushedAt"].timestamp()),
            "imageSizeInBytes": found[-1].get("imageSizeInBytes", 0),
            "imageTags": found[-1].get("imageTags", []),
        }
    )


def get_cluster(call: Call, args: Props) -> Props:
    """An existing ECS cluster."""
    aws, name = _aws(call, args), args["clusterName"]
    with said("ecs", f"reading ECS Cluster ({name})"):
        found: list[Any] = aws.of("ecs").describe_clusters(clusters=[name], include=["SETTINGS", "TAGS"])[
            "clusters"
        ]
    if not found or found[0]["status"] == "INACTIVE":
        raise ProviderError(f"reading ECS Cluster ({name}): couldn't find resource")
    one = found[0]
    return {
        "arn": one["clusterArn"], "clusterName": one["clusterName"], "id": one["clusterArn"],
        "pendingTasksCount": one.get("pendingTasksCount", 0), "region": aws.region,
        "registeredContainerInstancesCount": one.get("registeredContainerInstancesCount", 0),
        "runningTasksCount": one.get("runningTasksCount", 0), "serviceConnectDefaults": [],
        "settings": one.get("settings") or [], "status": one["status"],
        "tags": mapped(one.get("tags"), "key", "value"),
    }  # fmt: skip


def get_secret_version(call: Call, args: Props) -> Props:
    """A secret's text."""
    aws, name = _aws(call, args), args["secretId"]
    wanted = {"VersionId": args["versionId"]} if args.get("versionId") else {}
    if not wanted:
        wanted = {"VersionStage": args.get("versionStage") or "AWSCURRENT"}
    with said("secretsmanager", f"reading Secrets Manager Secret Version ({name})"):
        found = aws.of("secretsmanager").get_secret_value(SecretId=name, **wanted)
    created = found["CreatedDate"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "arn": found["ARN"], "createdDate": created, "id": f"{name}|{args.get('versionStage') or found['VersionId']}",
        "region": aws.region, "secretArn": found["ARN"], "secretBinary": "", "secretId": name,
        "secretString": found.get("SecretString", ""), "versionId": found["VersionId"],
        "versionStage": args.get("versionStage") or "AWSCURRENT",
        "versionStages": sorted(found.get("VersionStages") or []),
    }  # fmt: skip


def get_parameter(call: Call, args: Props) -> Props:
    """A parameter of Systems Manager, decrypted unless told otherwise."""
    aws, name = _aws(call, args), args["name"]
    decrypted = args.get("withDecryption") is not False
    with said("ssm", f"reading SSM Parameter ({name})"):
        found = aws.of("ssm").get_parameter(Name=name, WithDecryption=decrypted)["Parameter"]
    secret = found["Type"] == "SecureString"
    return {
        "arn": found["ARN"], "id": name, "insecureValue": None if secret else found["Value"], "name": name,
        "region": aws.region, "type": found["Type"], "value": found["Value"], "version": found["Version"],
        "withDecryption": decrypted,
    }  # fmt: skip


FUNCTIONS: dict[str, Callable[[Call, Props], Props]] = {
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": get_authorization_token,
    "aws:ecr/getImage:getImage": get_image,
    "aws:ecs/getCluster:getCluster": get_cluster,
    "aws:iam/getPolicyDocument:getPolicyDocument": get_policy_document,
    "aws:secretsmanager/getSecretVersion:getSecretVersion": get_secret_version,
    "aws:ssm/getParameter:getParameter": get_parameter,
    "aws:index/getAvailabilityZones:getAvailabilityZones": get_availability_zones,
    "aws:index/getCallerIdentity:getCallerIdentity": get_caller_identity,
    "aws:index/getPartition:getPartition": get_partition,
    "aws:index/getRegion:getRegion": get_region,
}
