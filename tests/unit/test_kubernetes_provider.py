"""The Kubernetes stand-in: waits, field owners, and previews without a cluster."""

from typing import Any

import pytest

from sandbox.providers.base import CheckError, ProviderError
from sandbox.providers.kubernetes import Kubernetes
from sandbox.providers.kubernetes_api import ApiError, Kind
from sandbox.providers.kubernetes_apply import _changed, _merged, explained
from sandbox.providers.kubernetes_await import _deployment, _job
from sandbox.providers.kubernetes_resource import AnyKind
from sandbox.providers.kubernetes_settings import Cluster
from sandbox.providers.kubernetes_wait_for import wait_for
from sandbox.providers.session import Call, Session

CONFIG_MAP = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "cfg", "namespace": "here"},
    "data": {"T": "a"},
}


def deployment(**spec: Any) -> dict[str, Any]:
    """A Deployment's inputs."""
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def call(client: Any = None, urn: str = "urn:pulumi:dev::p::kubernetes:core/v1:ConfigMap::cfg") -> Call:
    """A call as the base hands it over."""
    session = Session()
    session.client = client or Cluster({}, None, "no kubeconfig here")
    made = Call(session)
    made.urn, made.type, made.name, made.seed = urn, urn.split("::")[2], urn.split("::")[3], b"seed"
    return made


class TestWaits:
    """What an object does is read from its status."""

    def test_a_deployment_is_ready_when_only_its_newest_pods_run(self) -> None:
        """Protects from calling a rollout done while old pods still answer."""
        live = deployment(replicas=2)
        live["metadata"] = {"name": "web", "generation": 3}
        counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
        client: Any = NoPods()
        assert _deployment(client, {**live, "status": {**counts, "observedGeneration": 3}}).ready
        assert not _deployment(client, {**live, "status": {**counts, "observedGeneration": 2}}).ready
        surging = {**counts, "replicas": 3, "updatedReplicas": 1, "observedGeneration": 3}
        assert "(0/2 Pods available)" in _deployment(client, {**live, "status": surging}).text

    def test_a_failed_job_is_not_waited_for(self) -> None:
        """Protects from ten minutes of silence."""
        failed = {
            "type": "Failed",
            "status": "True",
            "reason": "BackoffLimitExceeded",
            "message": "too often",
        }
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "once"},
            "status": {"conditions": [failed]},
        }
        client: Any = NoPods()
        state = _job(client, job)
        assert state.failed
        assert state.problems == ["[BackoffLimitExceeded] too often"]

    @pytest.mark.parametrize(
        ("asked", "holds"),
        [
            ("condition=Ready", True), ("condition=Ready=False", False), ("jsonpath={.status.phase}=Bound", True),
            ("jsonpath={.status.list[0].a}", True), ("jsonpath={.status.none}", False),
            ('["condition=Ready", "jsonpath={.status.phase}=Lost"]', False),
        ],
    )  # fmt: skip
    def test_a_program_can_say_what_to_wait_for(self, asked: str, holds: bool) -> None:
        """Protects `pulumi.com/waitFor`."""
        ready = {"type": "Ready", "status": "True"}
        assert (
            wait_for(asked, {"status": {"phase": "Bound", "conditions": [ready], "list": [{"a": 1}]}})
            is holds
        )

    def test_a_condition_that_cannot_be_read_is_refused(self) -> None:
        """Protects from waiting for something else than was meant."""
        with pytest.raises(ProviderError, match="does not understand 'Ready'"):
            wait_for("Ready", {})


class NoPods:
    """A cluster without pods."""

    def select(self, *_: Any, **__: Any) -> list[Any]:
        return []


class TestOwnership:
    """Who owns which field of an object."""

    def test_field_sets_are_joined(self) -> None:
        """Protects the hand-over from create to apply: a field left out later must go."""
        assert _merged({"f:a": {"f:b": {}}}, {"f:a": {"f:c": {}}}) == {"f:a": {"f:b": {}, "f:c": {}}}

    def test_an_ignored_field_is_left_out_or_kept(self) -> None:
        """Protects replicas that an autoscaler owns."""
        assert _changed({"spec": {"replicas": 2, "a": 1}}, ["spec", "replicas"], None) == {"spec": {"a": 1}}
        assert _changed({"spec": {"replicas": 2}}, ["spec", "replicas"], 5) == {"spec": {"replicas": 5}}

    def test_a_conflict_says_who_applied_and_where_to_read_on(self) -> None:
        """Protects the way out of a field conflict."""
        conflict = ApiError(409, {"reason": "Conflict", "message": "Apply failed with 1 conflict"})
        assert '"me" had an apply conflict: Apply failed' in str(explained(conflict, "me"))
        exists = ApiError(409, {"reason": "AlreadyExists", "message": "already exists"})
        assert explained(exists, "me") is exists

    def test_paths_follow_from_what_discovery_says(self) -> None:
        """Protects every kind: there is no table of them."""
        pods, nodes = Kind("/api/v1", "pods", namespaced=True), Kind("/api/v1", "nodes", namespaced=False)
        assert pods.path("here", "a") == "/api/v1/namespaces/here/pods/a"
        assert nodes.path("here", "a") == "/api/v1/nodes/a"


class TestWithoutACluster:
    """A preview needs no cluster; what needs one says so."""

    def test_a_preview_promises_the_inputs(self) -> None:
        """Protects the first preview of a stack, before anything is there."""
        kind, asked = AnyKind(), call()
        inputs = kind.check(asked, {}, CONFIG_MAP)
        assert kind.preview_create(asked, inputs) == CONFIG_MAP
        live = {**CONFIG_MAP, "__inputs": CONFIG_MAP}
        new = {**CONFIG_MAP, "data": {"T": "b"}}
        assert kind.diff(asked, "here/cfg", CONFIG_MAP, live, new).replaces == ["data.T"]
        assert kind.preview_update(asked, "here/cfg", live, new) == new

    @pytest.mark.parametrize("verb", ["create", "read", "update", "delete"])
    def test_everything_else_says_that_it_is_unreachable(self, verb: str) -> None:
        """Protects from a half-done `up`, and from taking a lost cluster for deleted objects."""
        live = {**CONFIG_MAP, "__inputs": CONFIG_MAP}
        arguments: dict[str, tuple[Any, ...]] = {
            "create": (CONFIG_MAP,),
            "read": ("here/cfg", CONFIG_MAP, live),
            "update": ("here/cfg", CONFIG_MAP, live, CONFIG_MAP),
            "delete": ("here/cfg", CONFIG_MAP, live),
        }
        with pytest.raises(ProviderError, match="unreachable"):
            getattr(AnyKind(), verb)(call(), *arguments[verb])

    def test_a_cluster_that_is_gone_can_be_forgotten(self) -> None:
        """Protects the way out when the cluster went first."""
        gone = call(Cluster({"deleteUnreachable": "true"}, None, "gone"))
        assert AnyKind().read(gone, "here/cfg", CONFIG_MAP, {**CONFIG_MAP}) is None
        AnyKind().delete(gone, "here/cfg", CONFIG_MAP, {**CONFIG_MAP})

    @pytest.mark.parametrize(
        "token", ["kubernetes:helm.sh/v3:Release", "kubernetes:yaml/v2:ConfigFile", "kubernetes:x"]
    )
    def test_what_is_no_object_is_refused(self, token: str) -> None:
        """Protects from charts that would quietly not be there."""
        assert Kubernetes().resource_for(token) is None
        assert Kubernetes().resource_for("kubernetes:gateway.networking.k8s.io/v1:HTTPRoute") is not None

    @pytest.mark.parametrize(
        ("inputs", "property"),
        [
            ({"kind": "ConfigMap", "metadata": {"generateName": "a-"}}, "metadata.generateName"),
            ({"kind": "ConfigMapList", "items": []}, "kind"),
        ],
    )
    def test_what_cannot_be_applied_is_refused_in_the_check(
        self, inputs: dict[str, Any], property: str
    ) -> None:
        """Protects from a plan that cannot be carried out."""
        with pytest.raises(CheckError) as failed:
            AnyKind().check(call(), {}, {"apiVersion": "v1", **inputs})
        assert list(failed.value.failures) == [property]
