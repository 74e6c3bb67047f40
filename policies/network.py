"""Rules for what is reachable on AWS, and for tags."""

from collections.abc import Iterator

from policies.rules import Resource, document, opaque, rule

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
LISTENER = "aws:lb/listener:Listener"
PROVIDER = "pulumi:providers:aws"
PUBLIC_PORTS = (80, 443)
REQUIRED_TAGS = ("project", "stack", "owner")


@rule(INGRESS, fix="let a security group in (referenced_security_group_id), or open 80 and 443 only")
def network_only_web_is_open(resource: Resource) -> Iterator[str]:
    """The world reaches ports 80 and 443 and nothing else."""
    if not {resource.get("cidrIpv4"), resource.get("cidrIpv6")} & {"0.0.0.0/0", "::/0"}:
        return
    first, last = resource.get("fromPort"), resource.get("toPort")
    if opaque(first) or opaque(last):
        return
    if first is None or first != last or int(first) not in PUBLIC_PORTS:
        yield f"ports {first} to {last} are open to the world"


@rule(LISTENER, fix="ssl_policy ELBSecurityPolicy-TLS13-1-2-2021-06 or newer")
def network_modern_tls(resource: Resource) -> Iterator[str]:
    """HTTPS listeners offer TLS 1.2 at least."""
    if resource.get("protocol") not in ("HTTPS", "TLS"):
        return
    policy = resource.get("sslPolicy")
    if not opaque(policy) and "TLS13" not in str(policy):
        yield f"its TLS policy is {policy or 'that of AWS by default'}, which offers what is broken"


@rule(PROVIDER, fix="default_tags with project, stack and owner")
def required_tags(resource: Resource) -> Iterator[str]:
    """Everything on AWS says which project and stack made it, and who answers for it."""
    # The engine keeps a provider's sections as JSON text.
    given = document(resource.get("defaultTags"))
    tags = given.get("tags") if isinstance(given, dict) else None
    if opaque(resource.get("defaultTags")) or opaque(tags):
        return
    missing = [name for name in REQUIRED_TAGS if not (isinstance(tags, dict) and tags.get(name))]
    if missing:
        yield f"its default tags lack {', '.join(missing)}"


RULES = (network_only_web_is_open, network_modern_tls, required_tags)
