"""What no recording shows, on a real cluster: any kind, patches, names that are taken, finalizers."""

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.providers.kubernetes_api import Client
from sandbox.providers.kubernetes_config import load
from tests.engine.kubernetes_replay import Answer, Replay, engine_side, kubeconfig_for

Object = dict[str, Any]


class Program:
    """A program's resources, one engine call after another.

    Args:
        replay: the engine's side.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._replay.call({"method": "Configure", "request": {}})

    def up(self, token: str, inputs: Object, **request: Any) -> Answer:
        """Check and diff, then create, update or replace, as the diff says. The object's name names the resource."""
        urn = self._urn(token, inputs)
        states = self._replay.states.get(urn, [])
        checked = self._do("Check", urn, news=inputs, fresh=not states)
        if checked.error or "failures" in (checked.response or {}):
            return Answer(error=checked.error or str(checked.response))
        news = (checked.response or {})["inputs"]
        if not states:
            return self._do("Create", urn, properties=news, **request)
        diff = self._do("Diff", urn, news=news).response or {}
        if diff.get("replaces"):
            assert diff.get("deleteBeforeReplace"), "the name is fixed: the old one must go first"
            self.down(token, inputs)
            return self._do("Create", urn, properties=news, **request)
        return (
            self._do("Update", urn, news=news, **request) if diff["changes"] == "DIFF_SOME" else Answer(diff)
        )

    def down(self, token: str, inputs: Object, **request: Any) -> Answer:
        """Delete the resource."""
        urn = self._urn(token, inputs)
        return self._do("Delete", urn, id=self._replay.states[urn][-1].id, **request)

    def lookup(self, token: str, id: str) -> Answer:
        """`get`: read what is there without managing it."""
        return self._do("Read", f"urn:pulumi:dev::p::{token}::found", id=id, lookup=True)

    def _urn(self, token: str, inputs: Object) -> str:
        return f"urn:pulumi:dev::p::{token}::{inputs['metadata']['name']}"

    def _do(self, method: str, urn: str, **request: Any) -> Answer:
        return self._replay.call({"method": method, "request": {"urn": urn, **request}})


@pytest.fixture(scope="module")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """A real cluster's."""
    return kubeconfig_for(request)


@pytest.fixture(scope="module")
def client(kubeconfig: Path) -> Client:
    """The real API, to see what is there."""
    return Client(load(str(kubeconfig)))


@pytest.fixture(scope="module")
def namespace(client: Client) -> Iterator[str]:
    """A namespace of this module's own."""
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"kinds-{uuid.uuid4().hex[:8]}"}}
    client.create(made, manager="test")
    yield made["metadata"]["name"]
    client.delete(made, "Background")


@pytest.fixture
def program(kubeconfig: Path, namespace: str) -> Iterator[Program]:
    """A program whose provider puts objects into the test's namespace."""
    with engine_side(kubeconfig, namespace=namespace) as replay:
        yield Program(replay)


def config_map(name: str, **data: str) -> Object:
    """A ConfigMap that leaves its namespace to the provider."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


CONFIG_MAP, PATCH = "kubernetes:core/v1:ConfigMap", "kubernetes:core/v1:ConfigMapPatch"


def test_a_definition_and_an_object_of_it_in_one_up(program: Program, client: Client, namespace: str) -> None:
    """Protects custom resources (a Gateway's routes, monitors): there is no table of kinds to be missing from."""
    group = f"test-{uuid.uuid4().hex[:6]}.example"
    schema = {"type": "object", "x_kubernetes_preserve_unknown_fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Thing", "plural": "things", "singular": "thing"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
    token = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
    thing = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": {"size": 1}}
    assert program.up(token, definition).error == ""
    try:
        assert program.up(f"kubernetes:{group}/v1:Thing", thing).error == ""
        assert program.up(f"kubernetes:{group}/v1:Thing", thing | {"spec": {"size": 2}}).error == ""
        live = client.get({**thing, "metadata": {"name": "one", "namespace": namespace}})
        assert live["spec"] == {"size": 2}
        assert program.down(f"kubernetes:{group}/v1:Thing", thing).error == ""
        assert program.up(token, definition).response == {"changes": "DIFF_NONE", "hasDetailedDiff": True}
    finally:
        assert program.down(token, definition).error == ""
    missing = program.up(f"kubernetes:{group}/v1:Thing", thing, preview=True)
    assert (missing.response or {})["properties"]["spec"] == {"size": 1}


def test_a_patch_owns_its_field_and_gives_it_back(program: Program, client: Client, namespace: str) -> None:
    """Protects objects of others: only the patched field comes and goes."""
    theirs = {**config_map("theirs", keep="1"), "metadata": {"name": "theirs", "namespace": namespace}}
    client.create(theirs, manager="somebody")
    assert program.up(PATCH, config_map("theirs", mine="2")).error == ""
    assert client.get(theirs)["data"] == {"keep": "1", "mine": "2"}
    assert program.up(PATCH, config_map("theirs", mine="3")).error == ""
    assert program.down(PATCH, config_map("theirs")).error == ""
    assert client.get(theirs)["data"] == {"keep": "1"}


def test_a_field_that_the_server_does_not_know_is_refused(program: Program) -> None:
    """Protects from a misspelt setting that silently does nothing."""
    answer = program.up(CONFIG_MAP, config_map("odd") | {"dota": {"a": "b"}})
    assert 'unknown field "dota"' in answer.error


def test_a_name_that_is_taken_is_not_taken_over(
    program: Program,
    client: Client,
    namespace: str,
    kubeconfig: Path,
) -> None:
    """Protects objects of others from a create, unless `upsertExistingObjects` asks for it."""
    client.create({**config_map("taken"), "metadata": {"name": "taken", "namespace": namespace}}, manager="x")
    assert 'configmaps "taken" already exists' in program.up(CONFIG_MAP, config_map("taken", a="b")).error
    with engine_side(kubeconfig, namespace=namespace, upsertExistingObjects="true") as replay:
        assert Program(replay).up(CONFIG_MAP, config_map("taken", a="b")).error == ""


def test_changed_data_under_a_fixed_name_replaces_the_object(
    program: Program, client: Client, namespace: str
) -> None:
    """Protects the rule that a ConfigMap is never changed under its readers."""
    program.up(CONFIG_MAP, config_map("fixed", a="1"))
    reference = {**config_map("fixed"), "metadata": {"name": "fixed", "namespace": namespace}}
    before = client.get(reference)["metadata"]["uid"]
    assert program.up(CONFIG_MAP, config_map("fixed", a="2")).error == ""
    after = client.get(reference)
    assert after["data"] == {"a": "2"}
    assert after["metadata"]["uid"] != before


def test_a_delete_waits_for_finalizers(program: Program, client: Client, namespace: str) -> None:
    """Protects from calling an object gone that is not; the wait ends in time and names the finalizer."""
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/held"]
    program.up(CONFIG_MAP, held)
    assert "is held by example.com/held" in program.down(CONFIG_MAP, held, timeout=1).error
    reference = {**held, "metadata": {"name": "held", "namespace": namespace}}
    free = [{"op": "remove", "path": "/metadata/finalizers"}]
    releasing = threading.Timer(1.0, lambda: client.patch(reference, free))
    started = time.monotonic()
    releasing.start()
    assert program.down(CONFIG_MAP, held).error == ""
    assert time.monotonic() - started > 0.9
    assert client.find(reference) is None


def test_a_lookup_finds_what_is_there_or_nothing(program: Program, namespace: str) -> None:
    """Protects `ConfigMap.get`: outputs of a live object, and no invention when there is none."""
    program.up(CONFIG_MAP, config_map("seen", a="b"))
    found = program.lookup(CONFIG_MAP, f"{namespace}/seen").response or {}
    assert found["properties"]["data"] == {"a": "b"}
    assert program.lookup(CONFIG_MAP, f"{namespace}/unseen").response == {}
