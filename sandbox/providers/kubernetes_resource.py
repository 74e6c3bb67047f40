"""One resource type for every kind: check, preview, create, read, update and delete of any object."""

# The base's interface names arguments that one kind of everything does not need.
# ruff: noqa: ARG002

from sandbox.providers.base import Call, CheckError, Diff, PartlyCreatedError, Props, ProviderError, Resource
from sandbox.providers.kubernetes_api import ApiError, UnknownKindError, UnreachableError
from sandbox.providers.kubernetes_apply import create, field_manager, relinquish, update
from sandbox.providers.kubernetes_await import (
    NotReadyError,
    WaitCancelledError,
    state_now,
    until_deleted,
    until_ready,
)
from sandbox.providers.kubernetes_diff import diff, replacing_fields
from sandbox.providers.kubernetes_objects import (
    REPLACE_UNREADY,
    Object,
    at,
    checkpoint,
    closed,
    for_state,
    has_flag,
    id_of,
    live_in,
    name_of,
    named,
    namespace_of,
    normalized,
    pruned,
    split_id,
    with_namespace,
)
from sandbox.providers.kubernetes_settings import Cluster
from sandbox.providers.kubernetes_words import (
    CANNOT_DELETE,
    CANNOT_READ,
    client_of,
    created_unready,
    not_created,
    not_updated,
    update_cancelled,
    updated_unready,
)
from sandbox.providers.values import has_unknown


class AnyKind(Resource):
    """Every resource type of the package, `kubernetes:<group>/<version>:<Kind>`."""

    def check(self, call: Call, old: Props, new: Props) -> Props:
        cluster: Cluster = call.client
        inputs = normalized(new)
        if at(inputs, "metadata", "generateName"):
            reason = "is not supported in server-side apply mode"
            raise CheckError({"metadata.generateName": reason})
        if str(inputs.get("kind", "")).endswith("List") and "items" in inputs:
            raise CheckError({"kind": "lists cannot be created; declare their items as resources"})
        if is_patch(call, inputs) and not name_of(inputs):
            raise CheckError({"metadata.name": "patch resources require it"})
        inputs = named(inputs, normalized(old), name=call.name, seed=call.seed, proposed=call.proposed_name)
        if cluster.namespace and not namespace_of(inputs) and _has_namespaces(cluster, inputs):
            inputs = with_namespace(inputs, cluster.namespace)
        return closed(for_state(inputs), call.secrets)

    def diff(self, call: Call, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Diff:
        cluster: Cluster = call.client
        live, inputs = live_in(old_outputs), normalized(new)
        base = pruned(live, normalized(old_outputs.get("__inputs") or old_inputs))
        base = {**base, "metadata": {**base.get("metadata", {}), "name": name_of(live)}}
        if namespace_of(base) != namespace_of(inputs):
            default = "default" if _has_namespaces(cluster, inputs) else ""
            base = with_namespace(base, default and (namespace_of(base) or default))
            inputs = with_namespace(inputs, default and (namespace_of(inputs) or default))
        replacing = replacing_fields(inputs, mutable=cluster.mutable_kinds, patch=is_patch(call, inputs))
        found = diff(base, inputs, replacing, ignored=call.ignore_changes)
        return self._replaced_unready(cluster, live, inputs, found)

    def _replaced_unready(self, cluster: Cluster, live: Object, inputs: Object, found: Diff) -> Diff:
        """A Job that asks for it is replaced while it has not succeeded."""
        if not has_flag(inputs, REPLACE_UNREADY) or inputs["kind"] != "Job" or cluster.api is None:
            return found
        now = cluster.client.find(live)
        if now is None or state_now(cluster.client, now, {**inputs, "metadata": {}}).ready:
            return found
        field = 'metadata.annotations["pulumi.com/replaceUnready"]'
        return Diff({**found.detailed, field: "UPDATE_REPLACE"}, replaces=[*found.replaces, field])

    def preview_create(self, call: Call, inputs: Props) -> Props:
        wanted = normalized(inputs)
        as_asked = closed(inputs, call.secrets)
        if has_unknown(inputs) or is_patch(call, inputs):
            return as_asked
        manager = field_manager({}, wanted)
        try:
            live = create(call, call.client.client, wanted, manager=manager, upsert=call.client.upserts)
        except (UnreachableError, UnknownKindError):
            return as_asked
        except ApiError as error:
            # A namespace that the same preview only promises, a name that the replaced object still has.
            if error.http in (403, 409) or error.namespace_is_missing:
                return as_asked
            raise not_created(call, error) from None
        live = {key: value for key, value in live.items() if key != "status"}
        return _state(call, wanted, live, manager)

    def create(self, call: Call, inputs: Props) -> tuple[str, Props]:
        cluster, wanted = call.client, normalized(inputs)
        manager = field_manager({}, wanted)
        upsert = cluster.upserts or is_patch(call, wanted)
        try:
            live = create(call, client_of(cluster), wanted, manager=manager, upsert=upsert)
        except ProviderError as error:
            raise not_created(call, error) from None
        try:
            until_ready(call, cluster.client, live, wanted)
        except NotReadyError as error:
            text = created_unready(call, error)
            outputs = _state(call, wanted, cluster.client.latest(live), manager)
            raise PartlyCreatedError(id_of(live), outputs, [text, *error.problems], text) from None
        return id_of(live), _state(call, wanted, cluster.client.latest(live), manager)

    def read(self, call: Call, id: str, inputs: Props, outputs: Props) -> tuple[str, Props, Props] | None:
        cluster: Cluster = call.client
        known = normalized(inputs) or _identity(call, id, outputs)
        try:
            live = cluster.client.find(_identity(call, id, known))
        except UnknownKindError:
            return None
        except UnreachableError as error:
            call.log(f"configured Kubernetes cluster is unreachable: {error}", "warning")
            if cluster.forgets_unreachable:
                return None
            raise ProviderError(CANNOT_READ) from None
        if live is None:
            return None
        before = live_in(outputs) or live
        shape = pruned(live, known, before)
        state = _state(call, shape, live, field_manager(outputs, known), outputs.get("__initialApiVersion"))
        found = closed(for_state(shape), call.secrets)
        # A lookup takes what is there; only what we manage can be unhealthy.
        if inputs and not (now := state_now(cluster.client, live, known)).ready:
            text = f"Resource '{name_of(live)}' was created but failed to initialize"
            raise PartlyCreatedError(id, state, [text, *now.problems], text, inputs=found)
        return id, found, state

    def preview_update(self, call: Call, id: str, old_outputs: Props, new: Props) -> Props:
        if has_unknown(new):
            return closed(new, call.secrets)
        try:
            return self._updated(call, old_outputs, normalized(new))
        except (UnreachableError, UnknownKindError):
            return closed(new, call.secrets)

    def update(self, call: Call, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Props:
        client_of(call.client)
        return self._updated(call, old_outputs, normalized(new))

    def _updated(self, call: Call, old_outputs: Props, wanted: Object) -> Props:
        client = call.client.client
        before = live_in(old_outputs)
        manager, previous = field_manager(old_outputs, wanted), old_outputs.get("__fieldManager")
        version = old_outputs.get("__initialApiVersion")
        target = with_namespace(wanted, namespace_of(before))
        try:
            live = update(
                call, client, target, client.get(target), manager=manager, patch=is_patch(call, wanted)
            )
            if call.preview:
                return _state(call, wanted, live, manager, version)
            until_ready(call, client, live, wanted)
        except (UnreachableError, UnknownKindError):
            raise
        except WaitCancelledError as error:
            raise update_cancelled(call, error) from None
        except ProviderError as error:
            raise self._not_updated(call, error, wanted, target, manager, version) from None
        if previous and previous != manager:
            relinquish(client, target, previous)
        return _state(call, wanted, client.latest(live), manager, version)

    def _not_updated(
        self,
        call: Call,
        error: ProviderError,
        wanted: Object,
        target: Object,
        manager: str,
        version: str | None,
    ) -> ProviderError | PartlyCreatedError:
        """The update was refused or did not become ready: state keeps what is live now."""
        if call.preview and isinstance(error, ApiError) and error.http == 403:
            raise UnreachableError(str(error))
        live = call.client.client.find(target)
        if live is None:
            return not_updated(call, error)
        text = updated_unready(id_of(live), error)
        reasons = [text, *getattr(error, "problems", [])]
        return PartlyCreatedError(id_of(live), _state(call, wanted, live, manager, version), reasons, text)

    def delete(self, call: Call, id: str, inputs: Props, outputs: Props) -> None:
        cluster: Cluster = call.client
        known = normalized(inputs or outputs.get("__inputs") or {})
        target = _identity(call, id, live_in(outputs) or known)
        try:
            if is_patch(call, known):
                relinquish(cluster.client, target, field_manager(outputs, known))
            else:
                until_deleted(call, cluster.client, target, known)
        except UnknownKindError:
            return
        except ApiError as error:
            if error.http != 404:
                raise
        except UnreachableError as error:
            call.log(f"configured Kubernetes cluster is unreachable: {error}", "warning")
            if not cluster.forgets_unreachable:
                raise ProviderError(CANNOT_DELETE) from None


def is_patch(call: Call, inputs: Object) -> bool:
    """Whether the resource (`DeploymentPatch`) changes an object that somebody else owns."""
    return call.type.endswith(f":{inputs.get('kind')}Patch")


def _identity(call: Call, id: str, known: Object) -> Object:
    """The least that finds an object: its kind and the name in its id."""
    namespace, name = split_id(id)
    group, _, kind = call.type.partition(":")[2].rpartition(":")
    return {
        "apiVersion": known.get("apiVersion") or group.removeprefix("core/"),
        "kind": known.get("kind") or kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
    }


def _has_namespaces(cluster: Cluster, obj: Object) -> bool:
    """Whether objects of this kind live in a namespace; assumed where nobody can be asked."""
    try:
        return cluster.client.kind(obj["apiVersion"], obj["kind"]).namespaced
    except (UnknownKindError, UnreachableError):
        return True


def _state(call: Call, inputs: Object, live: Object, manager: str, version: str | None = None) -> Props:
    return checkpoint(
        inputs, live, call.secrets, api_version=version or inputs["apiVersion"], manager=manager
    )
