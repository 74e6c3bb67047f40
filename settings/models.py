"""One stack's config, typed: the sections of a stack file."""

from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from settings.github import Github
from settings.runtimes import AnyService
from settings.secret import AnySecret, EncryptedSecret
from settings.values import (
    Account,
    Arn,
    EnvName,
    HeaderName,
    HttpPath,
    HttpUrl,
    ImageTag,
    Many,
    Region,
    RegistryServer,
    Repository,
    Section,
    Some,
    StackName,
    TagValue,
    Text,
    Word,
)

Reason = Annotated[
    str,
    Text(
        r"\s*\S(?:.|\n){8,}\S\s*", "must say why, in at least 10 characters", "why this release cannot wait"
    ),
]
Command = Annotated[Word, Field(examples=["pytest tests/smoke"])]


class ExternalRegistry(Section):
    """A registry that exists already: any OCI registry, or ECR repositories of another stack."""

    kind: Literal["external"]
    """`external`: it exists. `ecr`: this stack owns it. No default."""
    server: RegistryServer = Field(examples=["registry.example.com"])
    """Host and port. No default."""
    repository: Repository = "antgent"
    """Repository of the image, without the host. Defaults to `antgent`."""
    username: Word | None = None
    """User that pushes and pulls; needs `password`. Defaults to anonymous."""
    password: EncryptedSecret | None = None
    """Password or token of `username`, encrypted. Defaults to none."""


class EcrRegistry(Section):
    """ECR repositories that this stack owns: one for releases, one for development builds."""

    kind: Literal["ecr"]
    """`external`: it exists. `ecr`: this stack owns it. No default."""
    repository: Repository = "antgent"
    """Repository of the image, without the host. Defaults to `antgent`."""
    development_repository: Repository = "antgent-dev"
    """Repository of development builds; they expire. Defaults to `antgent-dev`."""
    keep_releases: int = Field(default=50, ge=10, le=1000)
    """Releases kept, by count and never by age, so that a rollback finds its image. Defaults to 50."""
    development_days: int = Field(default=14, ge=1, le=365)
    """Days a development build is kept. Defaults to 14."""
    kms_key: Arn | None = Field(default=None, examples=["arn:aws:kms:eu-west-1:111122223333:key/example"])
    """KMS key that encrypts the images. Defaults to ECR's own AES-256."""
    pull_accounts: Many[Account] = ()
    """AWS accounts that may pull. Defaults to this account only."""
    replicate_to: Many[Region] = ()
    """Further regions that get every image. Defaults to none."""


AnyRegistry = Annotated[ExternalRegistry | EcrRegistry, Field(discriminator="kind")]


class Build(Section):
    """Build the release's image and push it to `registry`."""

    context: Word = "image"
    """Folder to build from; `image` installs the published antgent of the tag. Defaults to `image`."""
    dockerfile: Word = "image/Dockerfile"
    """The Dockerfile. Defaults to `image/Dockerfile`."""
    inputs: Some[Word] = ("**",)
    """Patterns of files in `context` that decide the image's content; `{version}` is the tag without its `v`.
    Defaults to all."""
    platform: Literal["linux/amd64", "linux/arm64"] = "linux/amd64"
    """Platform of the image. Defaults to `linux/amd64`."""
    network: Word | None = None
    """Docker network of the build steps, such as `host`. Defaults to the engine's own."""
    args: dict[Word, Word] = {}
    """Build arguments; they stay readable in the image's history, so never a secret. Defaults to none."""


class HttpCheck(Section):
    """One request that a verified release must answer."""

    path: HttpPath = Field(examples=["/version"])
    """Path on the environment's URL. No default."""
    status: int = Field(default=200, ge=100, le=599)
    """Status of the answer. Defaults to 200."""
    field: Word | None = None
    """Field of the JSON answer to compare, dots nest. Defaults to none."""
    expect: Word | None = None
    """Value of `field`. Defaults to the release's version: the tag without its `v`."""
    latency: float | None = Field(default=None, gt=0, le=60)
    """Seconds the answer may take. Defaults to the check's deadline."""
    successes: int = Field(default=1, ge=1, le=1000)
    """Answers in a row that must be right. Defaults to 1."""
    headers: dict[HeaderName, Word] = {}
    """Headers of the request, in plain text, so never a token. Defaults to none."""
    secret_headers: dict[HeaderName, EnvName] = {}
    """Headers whose value is one of `secrets`, by its name, such as `token: ANTGENT_SERVER__TOKEN`. Defaults to none."""


class WorkerCheck(Section):
    """What the worker must show on Temporal."""

    task_queues: Some[Word] = Field(examples=["antgent-queue"])
    """Task queues that must have pollers. No default."""
    address: Word | None = None
    """Temporal's address. Defaults to ANTGENT_TEMPORALIO__HOST of `service.environment`."""
    namespace: Word = "default"
    """Temporal's namespace. Defaults to `default`."""
    workflow: Word | None = None
    """An echo workflow to run end to end on the first queue. Defaults to none."""


class Verify(Section):
    """Checks that run as part of `up`; a release counts as verified when all of them pass."""

    deadline: int = Field(default=120, ge=5, le=3600)
    """Seconds for all checks together. Defaults to 120."""
    http: Many[HttpCheck] = ()
    """Requests to the server. Defaults to none."""
    worker: WorkerCheck | None = None
    """Checks of the worker. Defaults to none."""
    commands: Many[Command] = ()
    """Commands of your own, run by the shell in the project's folder, with the environment's URL in ANTGENT_URL
    and the release in ANTGENT_TAG. Defaults to none."""
    soak: int = Field(default=0, ge=0, le=10080)
    """Minutes a release must have run before it may be promoted. Defaults to 0."""
    url: HttpUrl | None = None
    """Where the checks find the environment. Defaults to its `url` output; a Kubernetes Service without Ingress
    or Gateway is reached through the cluster's API."""


class Override(Section):
    """Let a release through that `promoteFrom` has not verified; stays visible in the stack's outputs."""

    reason: Reason = Field(examples=["why this release cannot wait"])
    """Why, in at least 10 characters. No default."""
    by: Word = Field(examples=["you@example.com"])
    """Who answers for it. No default."""


class Hold(Section):
    """Keep a stack on one release: any other is refused, in preview too, until the hold is removed."""

    tag: ImageTag = Field(examples=["v0.3.2"])
    """The release that stays. No default."""
    reason: Reason = Field(examples=["why no other release may run"])
    """Why, in at least 10 characters. No default."""
    by: Word = Field(examples=["you@example.com"])
    """Who answers for it. No default."""


class Settings(Section):
    """All of a stack's config. The program builds the sections it finds."""

    image_tag: ImageTag | None = Field(default=None, examples=["v0.3.2"])
    """The release: the one line that ships. Needed by `build` and `service`."""
    registry: AnyRegistry | None = None
    """Where the image is kept: an existing registry, or ECR repositories of this stack."""
    build: Build | None = None
    """Build the image and push it to `registry`; excludes `promoteFrom`."""
    service: AnyService | None = None
    """Run antgent's server and worker, on docker, kubernetes or ecs."""
    secrets: dict[EnvName, AnySecret] = {}
    """Secrets of both workloads by variable name: encrypted values or references, never plain text."""
    verify: Verify | None = None
    """Checks of a deployed release; needs `service`."""
    promote_from: StackName | None = Field(default=None, examples=["staging"])
    """The stack whose releases this one may run; excludes `build`."""
    override: Override | None = None
    """Run a release that is not verified; needs `promoteFrom`."""
    hold: Hold | None = None
    """Refuse every release but one, such as after a rollback; stays visible in the stack's outputs."""
    github: Github | None = None
    """Roles that GitHub's workflows take on AWS, so that CI has no long-lived keys."""
    owner: TagValue | None = Field(default=None, examples=["platform-team"])
    """Who answers for the stack: the `owner` tag of all it makes on AWS. Defaults to the project's name."""

    _docker_host: str = PrivateAttr(default="unix:///var/run/docker.sock")

    @property
    def docker_host(self) -> str:
        """The Docker engine of builds and containers: config, else DOCKER_HOST, else the usual socket."""
        configured = self.service.docker.host if self.service else None
        return configured or self._docker_host

    @property
    def repository(self) -> str | None:
        """`server/repository` of an external registry. None for ECR, whose component knows it."""
        if isinstance(self.registry, ExternalRegistry):
            return f"{self.registry.server}/{self.registry.repository}"
        return None

    @property
    def version(self) -> str | None:
        """The tag without its leading `v`: what antgent's /version answers."""
        return self.image_tag.removeprefix("v") if self.image_tag else None
