"""Prints what the unchanged program asks for with a shipped stack file, as `pulumi stack export` would.

`python -m tests.shipped_inputs STACK [RUNTIME]` runs the program on the SDK's mocks, where every output is
known, so that documents with ARNs in them can be judged. The registry and other stacks' outputs are made up.
"""

import json
import os
import runpy
import sys
from typing import Any

import pulumi
import yaml
from pulumi.runtime import Mocks, set_mocks

from sandbox.paths import CHECKOUT

DIGEST = "sha256:" + "ab" * 32
HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
ANSWERS: dict[str, dict[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": "222233334444", "arn": "a", "userId": "u"},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {"names": [f"eu-west-1{z}" for z in "abc"]},
    "aws:index/getRegion:getRegion": {"name": "eu-west-1", "region": "eu-west-1"},
    "aws:index/getPartition:getPartition": {"partition": "aws"},
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": {
        "proxyEndpoint": f"https://{HOST}", "userName": "AWS", "password": "x", "authorizationToken": "x",
        "expiresAt": "x", "id": "x", "region": "eu-west-1",
    },
    "aws:secretsmanager/getSecretVersion:getSecretVersion": {"secretString": "x", "id": "x"},
}  # fmt: skip


class Recorder(Mocks):
    """Keeps every resource; outputs are the inputs, with an id and an ARN."""

    def __init__(self, outputs: dict[str, Any]) -> None:
        self.resources: list[dict[str, Any]] = []
        self.outputs = outputs

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources.append({"type": args.typ, "urn": f"urn::{args.name}", "inputs": args.inputs})
        service = args.typ.partition("/")[0].removeprefix("aws:")
        known = {"arn": f"arn:aws:{service}:eu-west-1:222233334444:{args.name}", "name": args.name,
                 "repoDigest": f"{HOST}/antgent@{DIGEST}", "dnsName": "lb.example.com", "registryId": "1"}  # fmt: skip
        inputs = dict(args.inputs)
        if "metadata" in inputs:
            inputs["metadata"] = {"name": args.name, **inputs["metadata"]}
        return f"{args.name}-id", {**known, **inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        if args.token == "pulumi:pulumi:readStackOutputs":
            return {"outputs": self.outputs}
        if args.token == "pulumi:pulumi:readStackResourceOutputs":
            return {"outputs": {}}
        return ANSWERS[args.token]


def main(stack: str, runtime: str | None) -> None:
    """Run the program; the result goes to stdout."""
    config = yaml.safe_load((CHECKOUT / f"Pulumi.{stack}.yaml").read_text())["config"]
    if runtime:
        config["antgent:service"]["runtime"] = runtime
    tag = config["antgent:imageTag"]
    source = {
        "tag": tag, "image": f"{HOST}/antgent@{DIGEST}", "gitRevision": "0" * 40, "url": "https://x",
        "repository": f"{HOST}/antgent", "repositoryArn": "arn:aws:ecr:eu-west-1:111122223333:repository/antgent",
    }  # fmt: skip
    recorder = Recorder(source)
    os.environ |= dict.fromkeys(("SANDBOX_REGISTRY", "SANDBOX_BASE_IMAGE", "SANDBOX_BUILDER_IMAGE", "SANDBOX_TEMPORAL"), "127.0.0.1:1")  # fmt: skip
    set_mocks(recorder, project="antgent", stack=stack, preview=False)
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    pulumi.runtime.set_all_config(texts)
    _without_servers()
    os.chdir(CHECKOUT)
    sys.path.insert(0, str(CHECKOUT))
    pulumi.runtime.test(lambda: runpy.run_path("__main__.py") and None)()
    print(json.dumps({"version": 3, "deployment": {"resources": recorder.resources}}, default=str))


def _without_servers() -> None:
    """No registry and no Docker engine is asked: an image that is not there yet is built."""
    import components.docker_service
    import components.image
    import deployment.docker

    deployment.docker.ping = components.docker_service.ping = lambda _host: None
    components.docker_service._check_port = lambda *_: None
    components.image.find_release = lambda *_args, **_more: None
    import deployment.registries
    from components.oci import Release

    deployment.registries.find = lambda *_: Release(f"{HOST}/antgent@{DIGEST}", {})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
