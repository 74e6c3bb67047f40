"""The live objects of a namespace, as manifests to apply and as text to compare."""

import copy
import json
import subprocess
from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

KINDS = "serviceaccounts,configmaps,deployments,services,poddisruptionbudgets,networkpolicies"
CLUSTERS_OWN = {("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}
SERVERS_METADATA = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink")
SERVERS_SPEC = ("clusterIP", "clusterIPs")
MACHINERY = ("pulumi.com/", "kubectl.kubernetes.io/", "deployment.kubernetes.io/")
"""Prefixes of annotations that a tool or a controller put there for itself."""


def kubectl(env: Mapping[str, str], *words: str, timeout: float = 120) -> str:
    """Run kubectl and return what it prints; CalledProcessError when it fails."""
    done = subprocess.run(
        ["kubectl", *words], env=dict(env), capture_output=True, text=True, timeout=timeout, check=True
    )
    return done.stdout


def live(env: Mapping[str, str], namespace: str) -> list[Object]:
    """What somebody wrote into a namespace, and the namespace itself, without the server's additions."""
    found = json.loads(kubectl(env, "get", KINDS, "--namespace", namespace, "-o", "json"))["items"]
    itself = json.loads(kubectl(env, "get", "namespace", namespace, "-o", "json"))
    written = [one for one in found if (one["kind"], one["metadata"]["name"]) not in CLUSTERS_OWN]
    return [_stripped(one) for one in (itself, *written)]


def moved(objects: list[Object], source: str, target: str) -> Object:
    """A List of the same objects for another namespace, for `kubectl apply`."""
    copies = copy.deepcopy(objects)
    for one in copies:
        if one["kind"] == "Namespace":
            one["metadata"]["name"] = target
            one["metadata"]["labels"].pop("kubernetes.io/metadata.name", None)
            one.pop("spec", None)
        else:
            assert one["metadata"]["namespace"] == source
            one["metadata"]["namespace"] = target
    return {"apiVersion": "v1", "kind": "List", "items": copies}


def comparable(objects: list[Object], namespace: str) -> dict[str, str]:
    """Kind and role → the object as text, without its namespace and made-up names."""
    found = {}
    for one in objects:
        role = one["metadata"].get("labels", {}).get("app.kubernetes.io/component", "")
        one = copy.deepcopy(one)
        one["metadata"]["name"] = ""
        template = one.get("spec", {}).get("template", {}).get("spec", {})
        for field in ("serviceAccountName", "serviceAccount"):
            template.pop(field, None)
        for container in template.get("containers", []):
            container["envFrom"] = len(container.get("envFrom", []))
        found[f"{one['kind']} {role}".strip()] = json.dumps(one, sort_keys=True).replace(namespace, "")
    return found


def _stripped(one: Object) -> Object:
    one = {key: value for key, value in one.items() if key != "status"}
    metadata = {key: value for key, value in one["metadata"].items() if key not in SERVERS_METADATA}
    kept = {
        key: value for key, value in metadata.get("annotations", {}).items() if not key.startswith(MACHINERY)
    }
    one["metadata"] = metadata | {"annotations": kept}
    if "spec" in one:
        one["spec"] = {key: value for key, value in one["spec"].items() if key not in SERVERS_SPEC}
    return one
