"""The program: builds the sections that a stack's config holds, in the order a release takes."""

import pulumi

import deployment
import settings
from components.rollout import end_quietly_when_cancelled

end_quietly_when_cancelled()

stack = settings.load()
release = deployment.image(stack)
service = deployment.service(stack, release)

pulumi.export("tag", stack.image_tag)
if release:
    pulumi.export("image", release.reference)
    pulumi.export("gitRevision", release.revision)
if service:
    pulumi.export("url", service.url)
    pulumi.export("revision", service.revision)
    pulumi.export("logs", service.logs)
