"""Rules for ECR: a tag means one image for ever, and every image is scanned and encrypted."""

from collections.abc import Iterator

from policies.rules import Resource, document, listed, opaque, rule

REPOSITORY = "aws:ecr/repository:Repository"
LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"


@rule(REPOSITORY, fix='image_tag_mutability="IMMUTABLE", or force_delete=True where nobody deploys from it')
def ecr_immutable_tags(resource: Resource) -> Iterator[str]:
    """A tag of a repository that is not disposable never changes its image."""
    mutability = resource.get("imageTagMutability") or "MUTABLE"
    if not opaque(mutability) and not mutability.startswith("IMMUTABLE") and not resource.get("forceDelete"):
        yield f"its tags are {mutability}, so a tag that was verified may name another image later"


@rule(REPOSITORY, fix="force_delete=False")
def ecr_releases_are_kept(resource: Resource) -> Iterator[str]:
    """A repository of immutable releases is not deleted with its images."""
    if resource.get("imageTagMutability") == "IMMUTABLE" and resource.get("forceDelete") is True:
        yield "it would be deleted with every release in it"


@rule(REPOSITORY, fix="image_scanning_configuration with scan_on_push=True")
def ecr_scan_on_push(resource: Resource) -> Iterator[str]:
    """Every image is scanned when it is pushed."""
    scanning = resource.get("imageScanningConfiguration", "scanOnPush")
    if not opaque(scanning) and scanning is not True:
        yield "its images are not scanned when they are pushed"


@rule(REPOSITORY, fix='encryption_configurations with encryption_type "AES256" or "KMS"')
def ecr_encryption(resource: Resource) -> Iterator[str]:
    """A repository says how its images are encrypted."""
    given = resource.get("encryptionConfigurations")
    if not opaque(given) and not listed(given):
        yield "it does not say how its images are encrypted"


@rule(LIFECYCLE, fix="count releases (imageCountMoreThan) instead of their age")
def ecr_releases_expire_by_count(resource: Resource) -> Iterator[str]:
    """Release tags expire by count and never by age, or a rollback misses its image."""
    for one in listed((document(resource.get("policy")) or {}).get("rules")):
        chosen = one.get("selection", {})
        patterns = [*chosen.get("tagPatternList", []), *chosen.get("tagPrefixList", [])]
        by_age = chosen.get("countType") == "sinceImagePushed"
        if by_age and any(pattern.startswith("v") for pattern in patterns):
            yield f"rule {one.get('rulePriority')} removes the releases {', '.join(patterns)} by their age"


RULES = (
    ecr_immutable_tags,
    ecr_releases_are_kept,
    ecr_scan_on_push,
    ecr_encryption,
    ecr_releases_expire_by_count,
)
