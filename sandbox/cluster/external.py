"""A cluster that the user names by its kubeconfig context: used as it is."""

import os
from pathlib import Path

from sandbox.errors import SandboxError


def kubeconfig() -> Path:
    """The kubeconfig that names the user's contexts: KUBECONFIG, else the one in the home folder."""
    return Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")


def version(context: str) -> str:
    """The version of the context's API server.

    Raises SandboxError when the context does not exist (with those that do), or nobody answers.
    """
    from kubernetes import client, config  # a second to import, and only wanted here
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    file = str(kubeconfig())
    try:
        contexts = [one["name"] for one in config.list_kube_config_contexts(config_file=file)[0]]
    except (ConfigException, TypeError) as why:
        raise SandboxError(
            f"the kubeconfig {file} cannot be read: {why}", fix="set KUBECONFIG to yours"
        ) from None
    if context not in contexts:
        raise SandboxError(f"{file} has no context {context}; it has: {', '.join(contexts) or 'none'}",
                           fix="set ANTGENT_KUBE_CONTEXT to one of them, or unset it to run our own cluster")  # fmt: skip
    try:
        api = client.VersionApi(config.new_client_from_config(config_file=file, context=context))
        return str(api.get_code(_request_timeout=10).git_version)
    except (client.ApiException, ConfigException, HTTPError) as why:
        cause = getattr(why, "reason", None) or why
        raise SandboxError(f"the cluster of context {context} does not answer: {cause}",
                           fix=f"kubectl --context {context} version shows more") from None  # fmt: skip
