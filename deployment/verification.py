"""What a stack's `verify` section means: the checks of its release, and where their secrets come from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi

from components.checks import Cluster, HttpCheck, WorkerCheck, to_props
from components.service import ServiceOutputs
from components.verification import ReleaseVerification, ReleaseVerificationArgs
from deployment.sections import required
from deployment.workloads import NAME
from settings import Settings, Verify

if TYPE_CHECKING:
    from components.image import BuiltImage
    from components.promoted_image import PromotedImage

TEMPORAL = "ANTGENT_TEMPORALIO__HOST"


def verification(
    stack: Settings, release: "BuiltImage | PromotedImage", running: ServiceOutputs
) -> ReleaseVerification:
    """The verification of `release` once it runs; it waits for the rollout, whose outputs it takes."""
    section = required(stack.verify)
    wanted = {name for check in section.http for name in check.secret_headers.values()}
    secrets = {name: stack.secrets[name] for name in sorted(wanted)}
    references = {name: one.reference for name, one in secrets.items() if one.reference is not None}
    return ReleaseVerification(
        f"{NAME}-verification",
        ReleaseVerificationArgs(
            url=section.url or running.url,
            image=running.image,
            revision=running.revision,
            tag=required(stack.image_tag),
            git_revision=release.revision,
            checks=_checks(stack, section),
            soak=section.soak,
            secrets={name: one.output() for name, one in secrets.items() if one.reference is None},
            references=references,
            cluster=_cluster(stack, section),
            aws=_aws(references),
        ),
    )


def _aws(references: Mapping[str, str]) -> dict[str, Any] | None:
    if not any(reference.startswith("arn:") for reference in references.values()):
        return None
    from deployment.aws import connection

    return connection()


def _checks(stack: Settings, section: Verify) -> dict[str, Any]:
    checks: dict[str, Any] = {"deadline": section.deadline, "commands": list(section.commands)}
    checks["http"] = [
        to_props(
            HttpCheck(
                path=check.path,
                status=check.status,
                field=check.field or "",
                expect=(check.expect or required(stack.version)) if check.field else "",
                latency=check.latency,
                successes=check.successes,
                headers=check.headers,
                secret_headers=check.secret_headers,
            )
        )
        for check in section.http
    ]
    if section.worker:
        worker = section.worker
        checks["worker"] = to_props(
            WorkerCheck(
                address=worker.address or required(stack.service).environment[TEMPORAL],
                task_queues=worker.task_queues,
                namespace=worker.namespace,
                workflow=worker.workflow or "",
            )
        )
    return checks


def _cluster(stack: Settings, section: Verify) -> dict[str, pulumi.Input[str]] | None:
    """The cluster of a Kubernetes stack; without a way in from outside, the Service that leads to its pods."""
    service = required(stack.service)
    if service.runtime != "kubernetes":
        return None
    options = service.kubernetes
    outside = section.url or options.ingress or options.gateway
    return to_props(
        Cluster(
            namespace=options.namespace,
            service="" if outside else NAME,
            kubeconfig=options.kubeconfig or "",
            context=options.context or "",
        )
    )
