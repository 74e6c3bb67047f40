"""The rules that join several keys of the service section."""

from collections.abc import Iterator, Mapping

from settings.view import Breach, View

FARGATE = {
    0.25: (512, 1024, 2048),
    0.5: range(1024, 4097, 1024),
    1: range(2048, 8193, 1024),
    2: range(4096, 16385, 1024),
    4: range(8192, 30721, 1024),
    8: range(16384, 61441, 4096),
    16: range(32768, 122881, 8192),
}
"""Memory sizes, in MiB, that Fargate offers for a task's vCPU."""
KUBERNETES_LEAST_MEMORY = 64
WORKLOADS = ("server", "worker")


def copies_are_counted_once(view: View) -> Iterator[Breach]:
    """Either a number of copies, or a runtime that chooses it between two bounds."""
    for workload in WORKLOADS:
        path = ("service", workload)
        if view.has(*path, "replicas") and view.has(*path, "autoscaling"):
            fix = view.commands.remove((*path, "replicas"))
            yield Breach((*path, "replicas"), "excludes autoscaling", fix)
        low, high = (view.number(*path, "autoscaling", bound) for bound in ("min", "max"))
        if view.has(*path, "autoscaling") and low is not None and high is not None and low > high:
            limit = (*path, "autoscaling", "max")
            yield Breach(limit, f"must be at least min, which is {low}", view.commands.set(limit, low))


def probe_ends_in_time(view: View) -> Iterator[Breach]:
    """A probe is over before the next one starts."""
    path = ("service", "server", "health")
    timeout, interval = view.number(*path, "timeout"), view.number(*path, "interval")
    if timeout is not None and interval is not None and timeout > interval:
        limit = (*path, "timeout")
        yield Breach(
            limit, f"must be at most interval, which is {interval}", view.commands.set(limit, interval)
        )


def sizes_are_offered(view: View) -> Iterator[Breach]:
    """The runtime offers the workloads' sizes."""
    runtime = view.at("service", "runtime")
    for workload in WORKLOADS:
        path = ("service", workload)
        cpu, memory = view.number(*path, "cpu"), view.number(*path, "memory")
        if cpu is None or memory is None:
            continue
        if runtime == "kubernetes" and memory < KUBERNETES_LEAST_MEMORY:
            rule = f"must be at least {KUBERNETES_LEAST_MEMORY} on Kubernetes: the container's own start needs it"
            yield Breach(
                (*path, "memory"), rule, view.commands.set((*path, "memory"), KUBERNETES_LEAST_MEMORY)
            )
        elif runtime == "ecs" and cpu not in FARGATE:
            size = min(FARGATE, key=lambda offered: (offered < cpu, abs(offered - cpu)))
            rule = f"must be one of Fargate's {', '.join(map(str, FARGATE))} vCPU"
            yield Breach((*path, "cpu"), rule, view.commands.set((*path, "cpu"), size))
        elif runtime == "ecs" and memory not in FARGATE[cpu]:
            sizes = FARGATE[cpu]
            rule = f"must be one of {_spoken(sizes)}, which Fargate offers for {cpu} vCPU"
            better = next((size for size in sizes if size >= memory), sizes[-1])
            yield Breach((*path, "memory"), rule, view.commands.set((*path, "memory"), better))


def _spoken(sizes: range | tuple[int, ...]) -> str:
    if isinstance(sizes, range):
        return f"{sizes[0]}, {sizes[1]}, … {sizes[-1]} MiB"
    return ", ".join(map(str, sizes)) + " MiB"


def kubernetes_has_one_way_in(view: View) -> Iterator[Breach]:
    """The server is exposed once, and its certificate has one source."""
    path = ("service", "kubernetes")
    if view.has(*path, "ingress") and view.has(*path, "gateway"):
        fix = view.commands.remove((*path, "gateway"))
        yield Breach((*path, "gateway"), "excludes ingress", fix)
    tls = (*path, "ingress", "tls")
    if isinstance(view.at(*tls), Mapping) and view.has(*tls, "secretName") == view.has(*tls, "issuer"):
        if view.has(*tls, "issuer"):
            fix = view.commands.remove((*tls, "secretName"))
        else:
            fix = view.commands.set((*tls, "issuer"), "letsencrypt")
        yield Breach(tls, "needs secretName or issuer, and not both", fix)


def network_is_whole(view: View) -> Iterator[Breach]:
    """An existing network names its parts; a new one lets tasks pull their image."""
    path = ("service", "ecs", "network")
    public, private = view.at(*path, "publicSubnets") or (), view.at(*path, "privateSubnets") or ()
    if view.has(*path, "vpcId"):
        for key, subnets, least in (("publicSubnets", public, 2), ("privateSubnets", private, 1)):
            if isinstance(subnets, list | tuple) and len(subnets) < least:
                fix = view.commands.set((*path, key, len(subnets)), "subnet-0a1b2c3d4e5f67890")
                yield Breach((*path, key), f"needs at least {least} with vpcId", fix)
    elif public or private:
        fix = view.commands.set((*path, "vpcId"), "vpc-0a1b2c3d4e5f67890")
        yield Breach((*path, "vpcId"), "is required by publicSubnets and privateSubnets", fix)
    elif view.at(*path, "nat") == "none" and view.at(*path, "endpoints") is False:
        fix = view.commands.set((*path, "endpoints"), True)
        yield Breach(
            (*path, "endpoints"), "must be true where nat is none: no task could pull its image", fix
        )


def load_balancer_is_whole(view: View) -> Iterator[Breach]:
    """A name needs a certificate, and a record needs a name."""
    path = ("service", "ecs", "loadBalancer")
    if view.has(*path, "domain") and not view.has(*path, "certificate"):
        certificate = "arn:aws:acm:eu-west-1:111122223333:certificate/example"
        fix = view.commands.set((*path, "certificate"), certificate)
        yield Breach((*path, "certificate"), "is required by domain", fix)
    if view.has(*path, "zoneId") and not view.has(*path, "domain"):
        fix = view.commands.set((*path, "domain"), "antgent.example.com")
        yield Breach((*path, "domain"), "is required by zoneId: the record's name", fix)


SERVICE_RULES = (
    copies_are_counted_once,
    probe_ends_in_time,
    sizes_are_offered,
    kubernetes_has_one_way_in,
    network_is_whole,
    load_balancer_is_whole,
)
