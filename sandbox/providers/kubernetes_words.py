"""The official plugin's words for what went wrong, so that people find them where they look."""

from sandbox.providers.base import Call, ProviderError
from sandbox.providers.kubernetes_api import Client, UnknownKindError, UnreachableError
from sandbox.providers.kubernetes_settings import Cluster

_FORGET = (
    "you can remove this resource from Pulumi state by rerunning the operation with the "
    'PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
)
CANNOT_READ = (
    f"failed to read resource state due to unreachable cluster. If the cluster was deleted, {_FORGET}"
)
CANNOT_DELETE = f"configured Kubernetes cluster is unreachable. If the cluster was deleted, {_FORGET}"


def reworded(error: ProviderError, text: str) -> ProviderError:
    """`error` in other words, with its code."""
    said = ProviderError(text)
    said.code = error.code
    return said


def client_of(cluster: Cluster) -> Client:
    """The API client, for what cannot do without."""
    try:
        return cluster.client
    except UnreachableError as error:
        raise unreachable(error) from None


def unreachable(error: UnreachableError) -> ProviderError:
    return ProviderError(f"configured Kubernetes cluster is unreachable: {error}")


def not_created(call: Call, error: ProviderError) -> ProviderError:
    """Why a create left nothing behind."""
    if isinstance(error, UnreachableError):
        return unreachable(error)
    if isinstance(error, UnknownKindError):
        kind = call.type.partition(":")[2].replace(":", "/")
        return ProviderError(
            f'creation of resource "{call.urn}" with kind {kind} failed because the Kubernetes API server '
            "reported that the apiVersion for this resource does not exist. "
            f"Verify that any required CRDs have been created: {error}"
        )
    return reworded(
        error, f'resource "{call.urn}" was not successfully created by the Kubernetes API server: {error}'
    )


def created_unready(call: Call, error: ProviderError) -> str:
    return (
        f'resource "{call.urn}" was successfully created, but the Kubernetes API server '
        f"reported that it failed to fully initialize or become live: {error}"
    )


def updated_unready(id: str, error: ProviderError) -> str:
    return (
        f'the Kubernetes API server reported that "{id}" failed to fully initialize or become live: {error}'
    )


def not_updated(call: Call, error: ProviderError) -> ProviderError:
    """Why an update failed and nothing is known of the object."""
    return reworded(error, f'update of resource "{call.urn}" failed: {error}')


def update_cancelled(call: Call, error: ProviderError) -> ProviderError:
    """The engine stopped an update's wait; state then keeps the old inputs."""
    cause = "unable to get cluster state: client rate limiter Wait returned an error: context canceled"
    return reworded(error, f'update of resource "{call.urn}" failed: {error}\n{cause}')
