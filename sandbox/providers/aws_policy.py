"""`aws:iam/getPolicyDocument`: a policy written as properties. It asks nobody."""

import hashlib
import json
from typing import Any

from sandbox.providers.resource import CheckError, Props
from sandbox.providers.session import Call

_LISTS = {
    "actions": "Action",
    "notActions": "NotAction",
    "resources": "Resource",
    "notResources": "NotResource",
}
_PRINCIPALS = {"principals": "Principal", "notPrincipals": "NotPrincipal"}
_JOINED = ("overrideJson", "overridePolicyDocuments", "sourceJson", "sourcePolicyDocuments")


def get_policy_document(call: Call, args: Props) -> Props:  # noqa: ARG001
    """The document as JSON, in the official plugin's order of keys and with its lists of one unpacked."""
    refused = [name for name in _JOINED if args.get(name)]
    if refused:
        raise CheckError(dict.fromkeys(refused, "is not supported by the stand-in"))
    document: Props = {"Version": args.get("version") or "2012-10-17"}
    if args.get("policyId"):
        document["Id"] = args["policyId"]
    document["Statement"] = [_statement(one) for one in args.get("statements") or []]
    minified = json.dumps(document, separators=(",", ":"))
    text = json.dumps(document, indent=2)
    id = str(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16))
    return {**args, "id": id, "json": text, "minifiedJson": minified}


def _statement(one: Props) -> Props:
    statement: Props = {"Sid": one["sid"]} if one.get("sid") else {}
    statement["Effect"] = one.get("effect") or "Allow"
    statement |= {theirs: _one_or_all(one[ours]) for ours, theirs in _LISTS.items() if one.get(ours)}
    for ours, theirs in _PRINCIPALS.items():
        if one.get(ours):
            statement[theirs] = _principals(one[ours])
    if conditions := one.get("conditions"):
        statement["Condition"] = _conditions(conditions)
    return statement


def _principals(given: list[Props]) -> Any:
    if any(one["type"] == "*" and one["identifiers"] == ["*"] for one in given):
        return "*"
    found: dict[str, list[str]] = {}
    for one in given:
        found.setdefault(one["type"], []).extend(one["identifiers"])
    return {kind: _one_or_all(names) for kind, names in sorted(found.items())}


def _conditions(given: list[Props]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for one in given:
        found.setdefault(one["test"], {})[one["variable"]] = _one_or_all(one["values"], in_order=False)
    return {test: dict(sorted(variables.items())) for test, variables in sorted(found.items())}


def _one_or_all(values: list[str], *, in_order: bool = True) -> Any:
    if len(values) == 1:
        return values[0]
    return sorted(values, reverse=True) if in_order else values
