"""The stand-in for the official Kubernetes plugin: any kind the API server knows, by server-side apply.

It keeps no table of kinds: paths and scopes come from discovery, changes are previewed by the
server's own dry run, and state has the official plugin's form. What is told apart by kind are two
rules only: which fields replace an object (kubernetes_diff.py) and what to wait for
(kubernetes_await.py). Differences from the official plugin are listed in
tests/engine/test_kubernetes_conformance.py; charts, YAML files and client-side apply are refused.
"""

from sandbox.providers.base import Call, CheckError, Diff, Props, Provider, Resource
from sandbox.providers.kubernetes_resource import AnyKind
from sandbox.providers.kubernetes_settings import Cluster, config_diff, problems

# Not kinds of the API: these types of the SDK expand charts and files in the plugin.
_NOT_OBJECTS = ("helm.sh", "yaml", "kustomize")


class Kubernetes(Provider):
    """`pulumi_kubernetes` on the API server that the kubeconfig names."""

    package = "kubernetes"
    _any_kind = AnyKind()

    def resource_for(self, token: str) -> Resource | None:
        module = token.partition(":")[2]
        is_object = "/" in module and not module.startswith(_NOT_OBJECTS)
        return self._any_kind if is_object else None

    def check_config(self, call: Call, old: Props, new: Props) -> Props:  # noqa: ARG002
        if found := problems(new):
            raise CheckError(found)
        return new

    def diff_config(self, call: Call, old: Props, new: Props) -> Diff:  # noqa: ARG002
        return config_diff(old, new)

    def connect(self, config: Props) -> Cluster:
        return Cluster.connect(config)
