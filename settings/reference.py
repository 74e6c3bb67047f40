"""The `config:` section of Pulumi.yaml: every key with its description, made from the models."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from settings.catalogue import all_paths
from settings.models import Settings


def project_config() -> dict[str, Any]:
    """What Pulumi.yaml says below `config:`.

    A key described there without a default is one that every stack must set, so each has the default
    "", which `settings` reads as not set.
    """
    described = {}
    for name, field in Settings.model_fields.items():
        key = field.alias or name
        lines = [
            _line(path, about.description)
            for path, about in all_paths().items()
            if path[0] == key and path[1:]
        ]
        text = (
            LiteralScalarString("\n".join([field.description or "", "", *lines, ""]))
            if lines
            else field.description
        )
        described[key] = {"description": text, "default": ""}
    return described


def _line(path: tuple[str | int, ...], description: str | None) -> str:
    return f"{'.'.join(map(str, path[1:]))}: {' '.join((description or '').split())}"


def project_yaml() -> str:
    """The same as YAML text."""
    yaml, text = YAML(), io.StringIO()
    yaml.width = 4096
    yaml.dump({"config": project_config()}, text)
    return text.getvalue()
