"""The Kubernetes stand-in's rules for names, for the shape of objects, and for what a change means."""

import base64
from typing import Any

import pytest

from sandbox.providers.kubernetes_diff import diff, path_text, quantity, replacing_fields, same
from sandbox.providers.kubernetes_objects import closed, named, normalized, pruned
from sandbox.providers.values import UNKNOWN, Secret

CONFIG_MAP: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "cfg", "namespace": "here"},
    "data": {"T": "a"},
}


def deployment(**spec: Any) -> dict[str, Any]:
    """A Deployment's inputs."""
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


class TestNames:
    """Objects get made-up names once, and keep them."""

    def test_an_object_without_a_name_gets_one_that_says_so(self) -> None:
        """Protects two stacks, or two versions of a ConfigMap, from one another's names."""
        made = named({"kind": "ConfigMap"}, {}, name="cfg", seed=b"1")["metadata"]
        assert made["name"].startswith("cfg-")
        assert len(made["name"]) == len("cfg-") + 8
        assert made["annotations"] == {"pulumi.com/autonamed": "true"}

    def test_a_made_up_name_is_kept(self) -> None:
        """Protects every second `up` from replacing everything."""
        first = named({"kind": "ConfigMap"}, {}, name="cfg", seed=b"1")
        assert named({"kind": "ConfigMap"}, first, name="cfg", seed=b"2") == first

    def test_a_chosen_name_is_left_alone(self) -> None:
        """Protects names that others rely on."""
        assert named(CONFIG_MAP, {}, name="other", seed=b"1") == CONFIG_MAP

    def test_the_engines_own_wish_comes_first(self) -> None:
        """Protects projects that set `pulumi:autonaming`."""
        assert named({}, {}, name="cfg", seed=b"1", proposed="dev-cfg")["metadata"]["name"] == "dev-cfg"


class TestShapes:
    """Inputs and live objects are brought to forms that can be compared."""

    def test_the_plain_text_of_a_secret_becomes_its_data(self) -> None:
        """Protects a Secret from a change at every `up`: the server keeps only `data`."""
        secret = normalized(
            {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "b"}, "data": {"c": "ZA=="}}
        )
        assert secret["data"] == {"a": base64.b64encode(b"b").decode(), "c": "ZA=="}
        assert "stringData" not in secret

    def test_unknown_text_of_a_secret_waits(self) -> None:
        """Protects a preview from encoding the marker of an unknown value."""
        secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": UNKNOWN}}
        assert normalized(secret) == secret

    def test_nulls_and_the_servers_own_metadata_go(self) -> None:
        """Protects inputs that were copied from a live object."""
        inputs = {
            **CONFIG_MAP,
            "metadata": {"name": "cfg", "uid": "1", "managedFields": []},
            "binaryData": None,
        }
        assert normalized(inputs) == {**CONFIG_MAP, "metadata": {"name": "cfg"}}

    def test_schema_extensions_get_the_servers_spelling(self) -> None:
        """Protects CustomResourceDefinitions, whose keys the SDK cannot spell."""
        assert normalized({"spec": [{"x_kubernetes_list_type": "set"}]}) == {
            "spec": [{"x-kubernetes-list-type": "set"}]
        }

    def test_what_the_server_added_is_cut_off(self) -> None:
        """Protects defaults from being taken for drift."""
        assert pruned({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 9}}) == {"b": {"c": 2}}

    def test_an_injected_container_is_no_drift_but_an_added_argument_is(self) -> None:
        """Protects service meshes, and the news of a hand's edit."""
        live = {"containers": [{"name": "mesh"}, {"name": "web", "args": ["a", "b"]}]}
        assert pruned(live, {"containers": [{"name": "web", "args": ["a"]}]}) == {
            "containers": [{"name": "web", "args": ["a", "b"]}]
        }

    def test_an_empty_value_that_the_server_leaves_out_counts_as_there(self) -> None:
        """Protects `minReadySeconds: 0` from being a change at every `up`."""
        assert pruned({}, {"minReadySeconds": 0, "replicas": 2}) == {"minReadySeconds": 0}

    def test_an_empty_value_that_somebody_removed_does_not(self) -> None:
        """Protects the news that `automountServiceAccountToken: false` is gone."""
        assert pruned({}, {"automount": False}, {"automount": False}) == {}

    def test_the_data_of_a_secret_is_always_closed(self) -> None:
        """Protects secrets that a program forgot to mark."""
        secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "b"}, "type": "Opaque"}
        assert closed(secret, set()) == {**secret, "data": Secret({"a": "b"})}


class TestDiffs:
    """Changes are named as the official plugin names them."""

    def test_a_change_of_data_replaces_a_config_map(self) -> None:
        """Protects pods from reading a setting that changed under them."""
        new = {**CONFIG_MAP, "data": {"T": "b", "a.b/c": "d"}}
        found = diff(CONFIG_MAP, new, replacing_fields(new))
        assert found.detailed == {"data.T": "UPDATE_REPLACE", 'data["a.b/c"]': "ADD_REPLACE"}
        assert found.delete_before_replace

    def test_settings_and_immutability_decide_whether_data_can_change_in_place(self) -> None:
        """Protects `enableConfigMapMutable`, which an immutable object overrules."""
        assert ("data",) not in replacing_fields(CONFIG_MAP, mutable=("ConfigMap",))
        assert ("data",) in replacing_fields({**CONFIG_MAP, "immutable": True}, mutable=("ConfigMap",))

    def test_a_made_up_name_leaves_room_for_both(self) -> None:
        """Protects pods that still read the old ConfigMap."""
        new = {**CONFIG_MAP, "metadata": {"name": "cfg-1", "annotations": {"pulumi.com/autonamed": "true"}}}
        assert not diff({**new, "data": {}}, new, replacing_fields(new)).delete_before_replace

    @pytest.mark.parametrize("field", ["name", "namespace"])
    def test_another_name_or_namespace_is_another_object(self, field: str) -> None:
        """Protects from an update that would find nothing."""
        new = {**CONFIG_MAP, "metadata": {**CONFIG_MAP["metadata"], field: "other"}}
        found = diff(CONFIG_MAP, new, replacing_fields(new))
        assert found.replaces == [f"metadata.{field}"]
        assert not found.delete_before_replace

    def test_lists_are_compared_place_by_place(self) -> None:
        """Protects the recorded form of a changed command line."""
        old, new = deployment(args=["a", "b", "c"]), deployment(args=["x", "b"])
        found = diff(old, new, replacing_fields(new))
        assert found.detailed == {"spec.args[0]": "UPDATE", "spec.args[2]": "DELETE"}
        assert found.is_input_diff("spec.args[2]")
        assert not found.is_input_diff("spec.args[0]")

    def test_a_selector_replaces_wherever_the_change_begins(self) -> None:
        """Protects from an update that the server must refuse."""
        old, new = deployment(), deployment(selector={"matchLabels": {"a": "b"}}, replicas=1)
        assert diff(old, new, replacing_fields(new)).detailed == {
            "spec.selector": "ADD_REPLACE",
            "spec.replicas": "ADD",
        }
        bare = {key: value for key, value in old.items() if key != "spec"}
        assert diff(bare, new, replacing_fields(new)).detailed == {"spec": "ADD_REPLACE"}

    def test_an_unknown_value_is_a_change(self) -> None:
        """Protects previews from promising nothing where something will happen."""
        new = deployment(replicas=UNKNOWN)
        assert diff(deployment(replicas=1), new, ()).detailed == {"spec.replicas": "UPDATE"}

    def test_ignored_changes_do_not_count(self) -> None:
        """Protects `ignore_changes`, say of replicas that an autoscaler sets."""
        assert not diff(deployment(replicas=1), deployment(replicas=2), (), ["spec.replicas"]).is_change

    def test_equal_quantities_are_equal_only_where_quantities_are(self) -> None:
        """Protects `cpu: 0.5` from being a change for ever, and a variable `1` from being taken for `1000m`."""
        limits = ("spec", "containers", 0, "resources", "limits", "cpu")
        assert same(limits, "500m", "0.5")
        assert same(limits, "1Gi", "1024Mi")
        assert same(limits, "1", 1)
        assert not same(limits, "1", "2")
        assert not same(("spec", "env", 0, "value"), "1", "1000m")
        assert not same((), 1, True)

    @pytest.mark.parametrize(
        ("text", "amount"), [("1k", 1000), ("1Ki", 1024), ("2e3", 2000), ("x", None), (True, None)]
    )
    def test_quantities_are_read_as_the_server_reads_them(self, text: Any, amount: int | None) -> None:
        """Protects the comparison of amounts."""
        assert quantity(text) == amount

    def test_paths_are_written_as_the_engine_reads_them(self) -> None:
        """Protects the terminal's tree of changes."""
        assert path_text(("spec", "ports", 0, "a.b", 'c"d')) == 'spec.ports[0]["a.b"]["c\\"d"]'
