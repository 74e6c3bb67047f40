"""KubernetesService: antgent on a cluster, without a dropped request while a release rolls out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_kubernetes import apps, core, meta

from components.kubernetes_edge import EdgeArgs, create_edge
from components.kubernetes_guard import create_guards
from components.kubernetes_pods import config_hash, labels, pod_template, selector
from components.kubernetes_pull import PullArgs, create_pull_secret
from components.rollout import Rollout
from components.service import ServiceArgs, ServiceOutputs, WorkloadArgs

PATCH_FORCE = {"pulumi.com/patchForce": "true"}
"""Take fields back that a hand changed: without it a `kubectl scale` makes `up` fail with a conflict."""
SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
"""`Rollout` waits instead: a cancelled wait of the provider's leaves state that hides a broken rollout."""


@dataclass(frozen=True, kw_only=True)
class KubernetesServiceArgs:
    """What the Kubernetes runtime needs beside the service."""

    service: ServiceArgs
    """What runs. No default."""
    namespace: str
    """The namespace. No default."""
    create_namespace: bool = True
    """Create the namespace, with Pod Security "restricted" enforced. Defaults to true."""
    kubeconfig: str | None = None
    """Path of the kubeconfig that `Rollout` uses. Defaults to the client's own search."""
    context: str | None = None
    """Its context. Defaults to the current one."""
    image_pull_secret: str | None = None
    """An existing Secret with the registry's credentials. Defaults to one made of `pull`."""
    pull: PullArgs | None = None
    """The registry's login. Defaults to an anonymous pull."""
    edge: EdgeArgs = field(default_factory=EdgeArgs)
    """How requests come in from outside. Defaults to the Service alone."""
    network_policy: bool = True
    """Deny all traffic but what the workloads need. Defaults to true."""
    disruption_budget: bool = True
    """Keep all but one server pod through a node's drain. Defaults to true."""
    ingress_namespaces: Sequence[str] = ()
    """Namespaces whose pods may reach the server. Defaults to all."""
    monitoring_namespaces: Sequence[str] = ()
    """Further namespaces whose pods may read its metrics. Defaults to none."""
    monitoring: Literal["none", "annotations", "pod-monitor"] = "none"
    """How Prometheus finds the metrics; `pod-monitor` needs its operator. Defaults to `none`."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Labels of the nodes that may run the pods. Defaults to any node."""
    topology_spread: Literal["none", "preferred", "required"] = "preferred"
    """Spread the copies over zones and nodes. Defaults to `preferred`."""
    service_account_annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the ServiceAccount, such as its IAM role on EKS. Defaults to none."""
    annotations: dict[str, str] = field(default_factory=dict)
    """Annotations of every object (git revision). Defaults to none."""


class KubernetesService(pulumi.ComponentResource):
    """Server and worker as Deployments, what surrounds them, and the verdict on the rollout."""

    outputs: ServiceOutputs

    def __init__(self, name: str, args: KubernetesServiceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("antgent:kubernetes:KubernetesService", name, None, opts)
        self._name, self._args = name, args
        self._namespace = self._create_namespace()
        account = self._create_service_account()
        config_map, secret = self._create_config_map(), self._create_secret()
        deployments = {
            role: self._create_deployment(role, workload, account, config_map, secret)
            for role, workload in (("server", args.service.server), ("worker", args.service.worker))
        }
        service = self._create_service()
        create_guards(self, name, args, self._namespace, deployments)
        url = create_edge(self, name, args.edge, self._namespace, service)
        verdict = self._create_rollout(deployments)
        self.outputs = ServiceOutputs(
            url=url,
            image=Output.from_input(args.service.image),
            revision=verdict.revision,
            logs=Output.format(
                "kubectl logs --namespace {} --selector app.kubernetes.io/name={} --all-containers --follow",
                self._namespace,
                name,
            ),
        )
        self.register_outputs(vars(self.outputs))

    def meta(self, role: str = "", **more: Any) -> meta.v1.ObjectMetaArgs:
        """Metadata for an object of this component; `annotations` are merged, the rest is taken as it is."""
        annotations = {**self._args.annotations, **PATCH_FORCE, **more.pop("annotations", {})}
        return meta.v1.ObjectMetaArgs(
            namespace=self._namespace,
            labels=labels(self._name, role or "service", self._args.service),
            annotations=annotations,
            **more,
        )

    def child(self, **more: Any) -> ResourceOptions:
        """Options of a child."""
        return ResourceOptions(parent=self, **more)

    def _create_namespace(self) -> pulumi.Input[str]:
        args = self._args
        if not args.create_namespace:
            return args.namespace
        level = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
        namespace = core.v1.Namespace(
            f"{self._name}-namespace",
            metadata=meta.v1.ObjectMetaArgs(
                name=args.namespace, labels=level, annotations={**args.annotations, **PATCH_FORCE}
            ),
            opts=self.child(),
        )
        return namespace.metadata["name"]

    def _create_service_account(self) -> Output[str]:
        args = self._args
        pull: pulumi.Input[str] | None = args.image_pull_secret
        if args.pull and not pull:
            pull = create_pull_secret(self, self._name, args.pull)
        account = core.v1.ServiceAccount(
            f"{self._name}-account",
            metadata=self.meta(annotations=args.service_account_annotations),
            automount_service_account_token=False,
            image_pull_secrets=[core.v1.LocalObjectReferenceArgs(name=pull)] if pull else None,
            opts=self.child(),
        )
        return account.metadata["name"]

    def _create_config_map(self) -> Output[str]:
        config_map = core.v1.ConfigMap(
            f"{self._name}-settings",
            metadata=self.meta(),
            immutable=True,
            data=dict(sorted(self._args.service.environment.items())),
            opts=self.child(),
        )
        return config_map.metadata["name"]

    def _create_secret(self) -> Output[str] | None:
        values = {
            key: value for key, value in self._args.service.secrets.items() if isinstance(value, Output)
        }
        if not values:
            return None
        secret = core.v1.Secret(
            f"{self._name}-secrets",
            metadata=self.meta(),
            immutable=True,
            string_data=values,
            opts=self.child(additional_secret_outputs=["data", "stringData"]),
        )
        return secret.metadata["name"]

    def _create_deployment(
        self,
        role: str,
        workload: WorkloadArgs,
        account: Output[str],
        config_map: Output[str],
        secret: Output[str] | None,
    ) -> apps.v1.Deployment:
        args = self._args
        template = pod_template(
            self._name,
            role,
            args.service,
            config_map=config_map,
            secret=secret,
            service_account=account,
            annotations=self._pod_annotations(role),
            node_selector=args.node_selector,
            spread=args.topology_spread,
        )
        return apps.v1.Deployment(
            f"{self._name}-{role}",
            metadata=self.meta(role, annotations=SKIP_AWAIT),
            spec=apps.v1.DeploymentSpecArgs(
                replicas=workload.replicas,
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(self._name, role)),
                strategy=apps.v1.DeploymentStrategyArgs(
                    type="RollingUpdate",
                    rolling_update=apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
                ),
                progress_deadline_seconds=args.service.deadline,
                revision_history_limit=5,
                template=template,
            ),
            # An autoscaler owns the number where one acts, and `up` must not set it back. The field is
            # not left out instead: taken away, it falls back to 1 when an autoscaler is turned on.
            opts=self.child(ignore_changes=["spec.replicas"] if workload.max_replicas else None),
        )

    def _pod_annotations(self, role: str) -> dict[str, pulumi.Input[str]]:
        annotations: dict[str, pulumi.Input[str]] = {"antgent/config-hash": config_hash(self._args.service)}
        if role == "server" and self._args.monitoring == "annotations":
            annotations |= {
                "prometheus.io/scrape": "true",
                "prometheus.io/path": "/metrics",
                "prometheus.io/port": str(self._args.service.server.port),
            }
        return annotations

    def _create_service(self) -> core.v1.Service:
        return core.v1.Service(
            f"{self._name}-service",
            # A contract with callers inside the cluster, so the name is not made up.
            metadata=self.meta("server", name=self._name, annotations=SKIP_AWAIT),
            spec=core.v1.ServiceSpecArgs(
                type="ClusterIP",
                selector=selector(self._name, "server"),
                ports=[core.v1.ServicePortArgs(name="http", port=80, target_port="http", protocol="TCP")],
            ),
            opts=self.child(),
        )

    def _create_rollout(self, deployments: dict[str, apps.v1.Deployment]) -> Rollout:
        args = self._args
        # A preview knows no generation yet: the API server counts them.
        watched = {
            role: {
                "name": one.metadata["name"],
                "generation": one.metadata.apply(lambda known: known.get("generation", 0)),
            }
            for role, one in deployments.items()
        }
        return Rollout(
            f"{self._name}-rollout",
            runtime="kubernetes",
            revision=Output.json_dumps({role: one["generation"] for role, one in watched.items()}),
            target={
                "kubeconfig": args.kubeconfig,
                "context": args.context,
                "namespace": self._namespace,
                "image": args.service.image,
                "deployments": watched,
            },
            deadline=args.service.deadline,
            opts=ResourceOptions(parent=self),
        )
