"""Policy as code: one set of rules over a stack's resources, and two ways in.

`python -m policies` reads what `pulumi preview --json` prints; `policies/pack` hands the same rules to the
engine as a policy pack.
"""

from policies import docker, ecr, ecs, iam, kubernetes, network
from policies.rules import UNKNOWN, Resource, Rule, Violation

__all__ = ["RULES", "UNKNOWN", "Resource", "Rule", "Violation", "violations"]

RULES: tuple[Rule, ...] = tuple(
    rule for module in (ecr, ecs, iam, network, kubernetes, docker) for rule in module.RULES
)


def violations(resources: list[Resource]) -> list[Violation]:
    """Every broken rule of every resource, in the order of the resources."""
    return [one for resource in resources for rule in RULES for one in rule.violations(resource)]
