"""The JSON schema of a stack file, for editors; made from the models."""

from typing import Any

from settings.models import Settings
from settings.report import PROJECT

VARIABLE = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}


def schema() -> dict[str, Any]:
    """A JSON schema (draft 2020-12) of `Pulumi.<stack>.yaml`. Keys of other programs and of the engine are free."""
    models = _tolerant(Settings.model_json_schema(by_alias=True, mode="validation"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An antgent stack file",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {f"{PROJECT}:{key}": value for key, value in models["properties"].items()},
                "patternProperties": {f"^(?!{PROJECT}:)": {}},
                "additionalProperties": False,
            }
        },
        "$defs": models["$defs"],
    }


def _tolerant(node: Any) -> Any:
    """The same schema, but a text with a rule may also be a `${NAME}`."""
    if isinstance(node, list):
        return [_tolerant(each) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "string" and "pattern" in node:
        about = {key: node[key] for key in ("title", "description", "default") if key in node}
        return {**about, "anyOf": [{"type": "string", "pattern": node["pattern"]}, VARIABLE]}
    return {key: _tolerant(value) for key, value in node.items()}
