"""An ECR repository in the sandbox is one of its real registry: push, digest and refusals are real."""

import hashlib
import json
import uuid

import httpx
import pytest

from tests.engine.aws_client import Client, Made, RpcError

REPOSITORY = "aws:ecr/repository:Repository"
GET_IMAGE = "aws:ecr/getImage:getImage"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
def client(
    aws_endpoint: str, standin_port: int, registry_address: str, monkeypatch: pytest.MonkeyPatch
) -> Client:
    """A connection to a stand-in that knows the sandbox's registry."""
    monkeypatch.setenv("SANDBOX_REGISTRY", registry_address)
    return Client(standin_port, aws_endpoint)


def repository(client: Client, **inputs: object) -> Made:
    return client.create(REPOSITORY, {"name": f"images-{uuid.uuid4().hex[:8]}", **inputs})


def push(url: str, tag: str, text: str) -> str:
    """Push an image without layers; returns its digest as the registry says it."""
    server, _, name = url.partition("/")
    config = json.dumps({"text": text}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    with httpx.Client(base_url=f"http://{server}", trust_env=False, timeout=30) as http:
        where = http.post(f"/v2/{name}/blobs/uploads/").raise_for_status().headers["Location"]
        http.put(httpx.URL(where).copy_merge_params({"digest": digest}), content=config).raise_for_status()
        kind = "application/vnd.docker.container.image.v1+json"
        blob = {"mediaType": kind, "size": len(config), "digest": digest}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": blob, "layers": []})
        put = http.put(f"/v2/{name}/manifests/{tag}", content=manifest, headers={"Content-Type": MANIFEST})
    return put.raise_for_status().headers["Docker-Content-Digest"]


def test_the_url_leads_to_the_registry(client: Client, registry_address: str) -> None:
    """What the program pushes must be what a runtime can pull (a named exception: AWS's URL is another)."""
    made = repository(client)
    token = client.invoke("aws:ecr/getAuthorizationToken:getAuthorizationToken", {})
    client.delete(made)
    assert made["repositoryUrl"] == f"{registry_address}/{made['name']}"
    assert (token["proxyEndpoint"], token["userName"]) == (f"http://{registry_address}", "AWS")


def test_a_pushed_image_is_found_by_its_tag(client: Client) -> None:
    """The digest comes from the registry, not from anybody's memory."""
    made = repository(client, forceDelete=True)
    digest = push(made["repositoryUrl"], "v1", "one")
    found = client.invoke(GET_IMAGE, {"repositoryName": made["name"], "imageTag": "v1"})
    client.delete(made)
    assert (found["imageDigest"], found["imageTags"]) == (digest, ["v1"])
    assert found["imageUri"] == f"{made['repositoryUrl']}@{digest}"


def test_a_tag_that_is_not_there_is_said(client: Client) -> None:
    """AWS's own code and words, with the repository and the tag."""
    made = repository(client)
    with pytest.raises(RpcError) as missing:
        client.invoke(GET_IMAGE, {"repositoryName": made["name"], "imageTag": "v9"})
    client.delete(made)
    assert "ImageNotFoundException" in missing.value.details()
    assert "imageTag:'v9'" in missing.value.details()


def test_a_repository_with_images_is_not_deleted_unless_forced(client: Client) -> None:
    """Releases are what a rollback needs; `pulumi destroy` must not take them along by accident."""
    made = repository(client)
    push(made["repositoryUrl"], "v1", "kept")
    with pytest.raises(RpcError) as refused:
        client.delete(made)
    assert "RepositoryNotEmptyException" in refused.value.details()
    forced = client.update(made, {"name": made["name"], "forceDelete": True})
    client.delete(forced)
    assert client.read(made) is None
    server, _, name = made["repositoryUrl"].partition("/")
    left = httpx.get(f"http://{server}/v2/{name}/tags/list", trust_env=False).json().get("tags")
    assert not left
