"""What stack files name and do not make, read from them and put into the sandbox's AWS."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from sandbox import cloud_seed, local_stack, stack_names
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT
from sandbox.stack_names import Named

CERTIFICATE = "arn:aws:acm:eu-west-1:222233334444:certificate/11111111-1111-1111-1111-111111111111"
ZONE = "Z0123456789ABCDEFGHIJ"
SECRET = "arn:aws:secretsmanager:eu-west-1:222233334444:secret:app/token"
IN_JSON = "arn:aws:secretsmanager:eu-west-1:222233334444:secret:app/both-Ab12Cd:key::"
PARAMETER = "arn:aws:ssm:eu-west-1:222233334444:parameter/app/key"
FILES = {
    "release": "config:\n  aws:region: eu-west-1\n  antgent:registry:\n    kind: ecr\n",
    "staging": f"""
config:
  aws:region: eu-west-1
  antgent:promoteFrom: release
  antgent:service:
    runtime: ecs
    environment:
      ANTGENT_TEMPORALIO__HOST: temporal.staging.example.com:7233
    ecs:
      loadBalancer:
        domain: app.staging.example.com
        certificate: {CERTIFICATE}
        zoneId: {ZONE}
    kubernetes:
      context: staging
  antgent:secrets:
    TOKEN: {SECRET}
    KEY: "{IN_JSON}"
    OTHER: {PARAMETER}
    SEALED:
      secure: djE6
""",
    "prod": f"""
config:
  aws:region: eu-west-1
  antgent:promoteFrom: staging
  antgent:service:
    runtime: ecs
    ecs:
      loadBalancer:
        domain: app.example.com
        zoneId: {ZONE}
""",
    "local": """
config:
  antgent:service:
    runtime: docker
    environment:
      ANTGENT_TEMPORALIO__HOST: ${SANDBOX_TEMPORAL}
    kubernetes:
      context: mine
""",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with four stack files."""
    for name, text in FILES.items():
        (tmp_path / f"Pulumi.{name}.yaml").write_text(text)
    monkeypatch.setattr(local_stack, "CHECKOUT", tmp_path)
    return tmp_path


def test_the_names_are_those_that_no_stack_makes(folder: Path) -> None:
    """Values that are encrypted or come from the environment are no names of anything."""
    assert stack_names.read(folder) == Named(
        certificates={CERTIFICATE: "app.staging.example.com"},
        zones={ZONE: "example.com"},
        secrets=sorted([SECRET, IN_JSON, PARAMETER]),
        hosts=["temporal.staging.example.com:7233"],
        contexts=["mine", "staging"],
        region="eu-west-1",
    )


@pytest.mark.parametrize(
    ("domains", "zone"),
    [
        (["app.example.com"], "example.com"),
        (["app.example.com", "app.staging.example.com"], "example.com"),
        (["a.b.example.com", "c.b.example.com"], "b.example.com"),
    ],
)
def test_a_zone_has_the_domain_that_its_records_share(domains: list[str], zone: str) -> None:
    """One zone may serve staging and production."""
    assert stack_names.common_domain(domains) == zone


@pytest.fixture
def planted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All of it planted, twice."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        cloud_seed.plant(stack_names.read(folder))
        cloud_seed.plant(stack_names.read(folder))
        yield


@pytest.mark.usefixtures("planted")
class TestWhatIsPlanted:
    """Each is asked for over AWS's API, under the name that the stack file has."""

    def test_a_certificate_is_issued_for_its_domain(self) -> None:
        """A listener takes it by that ARN."""
        found = boto3.client("acm", "eu-west-1").describe_certificate(CertificateArn=CERTIFICATE)
        assert found["Certificate"]["DomainName"] == "app.staging.example.com"
        assert found["Certificate"]["Status"] == "ISSUED"

    def test_a_zone_has_its_id_and_its_domain(self) -> None:
        """AWS chooses ids; a stack file has one already."""
        (zone,) = boto3.client("route53", "eu-west-1").list_hosted_zones()["HostedZones"]
        assert (zone["Id"], zone["Name"]) == (f"/hostedzone/{ZONE}", "example.com.")

    def test_a_secret_has_a_value_that_nobody_chose(self) -> None:
        """Also where a reference goes on with the key of a JSON document."""
        client = boto3.client("secretsmanager", "eu-west-1")
        first = client.get_secret_value(SecretId=SECRET)
        assert first["ARN"].startswith(f"{SECRET}-")
        assert len(first["SecretString"]) > 30
        whole = client.get_secret_value(SecretId=":".join(IN_JSON.split(":")[:7]))
        assert whole["SecretString"].startswith('{"key": "')
        assert first["SecretString"] not in whole["SecretString"]

    def test_a_parameter_is_encrypted(self) -> None:
        """SSM knows it by its path."""
        found = boto3.client("ssm", "eu-west-1").get_parameter(Name="/app/key", WithDecryption=True)
        assert found["Parameter"]["Type"] == "SecureString"
        assert len(found["Parameter"]["Value"]) > 30

    def test_what_is_there_already_stays(self) -> None:
        """Planting again gives no secret another value under a running task."""
        client = boto3.client("secretsmanager", "eu-west-1")
        before = client.get_secret_value(SecretId=SECRET)["SecretString"]
        cloud_seed.plant(Named(secrets=[SECRET]))
        assert client.get_secret_value(SecretId=SECRET)["SecretString"] == before


def test_a_changed_file_is_known_as_changed(tmp_path: Path) -> None:
    """Only then has the running server to be told."""
    file = tmp_path / "seed.json"
    assert cloud_seed.write(file, Named(secrets=[SECRET]))
    assert not cloud_seed.write(file, Named(secrets=[SECRET]))
    assert cloud_seed.write(file, Named())


@pytest.mark.usefixtures("folder")
class TestAStack:
    """What `make up STACK=…` brings, as the stack files say it."""

    def test_comes_after_those_it_promotes_from(self) -> None:
        """Production cannot come up before staging runs its release."""
        assert local_stack.chain("prod") == ["release", "staging", "prod"]
        assert local_stack.chain("local") == ["local"]

    def test_needs_aws_when_one_of_them_does(self) -> None:
        """The release stack owns the registry, whatever staging runs on."""
        assert local_stack.uses_aws(local_stack.chain("staging"))
        assert not local_stack.uses_aws(local_stack.chain("local"))

    def test_that_goes_with_our_aws_goes_into_our_cluster(self) -> None:
        """A person's own cluster of that name is none of the sandbox's business."""
        assert local_stack.kube_context("staging") is None
        assert local_stack.kube_context("local") == "mine"

    def test_that_promotes_in_a_circle_is_refused(self, folder: Path) -> None:
        """With the command that breaks it."""
        (folder / "Pulumi.release.yaml").write_text("config:\n  antgent:promoteFrom: prod\n")
        with pytest.raises(SandboxError, match="promotes from itself"):
            local_stack.chain("prod")


@pytest.mark.parametrize("file", sorted(CHECKOUT.glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_another_runtime_changes_one_line_of_a_shipped_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make up RUNTIME=…` edits a file that people read and review: nothing else in it may move."""
    before = file.read_text().splitlines()
    (tmp_path / file.name).write_text(file.read_text())
    monkeypatch.setattr(local_stack, "CHECKOUT", tmp_path)
    stack = file.name.split(".")[1]
    if "antgent:service:" not in file.read_text():
        pytest.skip("it runs nothing")
    for wanted in ("docker", "kubernetes"):
        local_stack._set_runtime(stack, wanted)
        after = (tmp_path / file.name).read_text().splitlines()
        changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        assert len(changed) <= 1
        assert all(f"runtime: {wanted}" in new for _, new in changed)
