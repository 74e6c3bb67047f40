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
verified = deployment.verify(stack, release, service)

outputs = deployment.exports(stack, registry, release, service, verified) | deployment.ci(stack)
for name, value in outputs.items():
    pulumi.export(name, value)
