"""Verification of a release on a real cluster that nothing outside reaches: through the cluster's API."""

import re
from collections.abc import Callable

import pytest

from components import ledger
from sandbox.pulumi_cli import PulumiError
from tests.conftest import Stack
from tests.engine.kubernetes_load import kubectl

TOKEN = "correct-horse-battery-staple"
FETCH = (
    "import os, urllib.request; print(urllib.request.urlopen(os.environ['ANTGENT_URL'] + '/version').read())"
)


def test_a_release_inside_a_cluster_is_verified_from_outside(kubernetes_stack: Callable[..., Stack]) -> None:
    """HTTP checks, commands, and a secret that only the cluster keeps; no Ingress, and no cluster DNS here."""
    stack = kubernetes_stack(replicas=2)
    version = {"path": "/version", "field": "version", "successes": 4}
    stack.change(verify={"deadline": 20, "http": [version], "commands": [f'python -c "{FETCH}"']})
    output = stack.pulumi.up().output
    assert stack.url.endswith(".svc.cluster.local")
    assert f"{stack.url} is inside its cluster: reached through the cluster's API" in output
    assert re.search(r'b.+"version":"1\.0\.0"', output), output
    (first,) = ledger.read(stack.pulumi.outputs())
    pods = kubectl(stack, "get", "pods", "-o", "json")["items"]
    assert {one["spec"]["containers"][0]["image"] for one in pods} == {first.image}
    assert stack.pulumi.up().changes.total == 0

    kubectl(stack, "create", "secret", "generic", "app", f"--from-literal=token={TOKEN}")
    private = {"path": "/private", "secretHeaders": {"token": "ANTGENT_SERVER__TOKEN"}}
    stack.change(
        secrets={"ANTGENT_SERVER__TOKEN": "app/token"}, verify={"deadline": 20, "http": [version, private]}
    )
    output = stack.pulumi.up().output
    assert TOKEN not in output + str(stack.pulumi.export())
    (again,) = ledger.read(stack.pulumi.outputs())
    assert [one.name for one in again.checks][-1] == "GET /private: status 200"

    stack.change(
        secrets={"ANTGENT_SERVER__TOKEN": "app/token"},
        verify={"deadline": 5, "http": [{"path": "/none", "status": 404}]},
    )
    with pytest.raises(PulumiError) as failed:
        stack.pulumi.up()
    assert "expected: status 404" in str(failed.value)
    assert "answer: 200 OK" in str(failed.value)
    assert ledger.read(stack.pulumi.outputs()) == [again]
