"""The program: builds the sections that a stack's config holds, in the order a release takes."""

import pulumi

import deployment
import settings
from components.rollout import end_quietly_when_cancelled

end_quietly_when_cancelled()

stack = settings.load()
registry = deployment.registry(stack)
release = deployment.image(stack, registry)
service = deployment.service(stack, release)

for name, value in deployment.exports(stack, registry, release, service).items():
    pulumi.export(name, value)
