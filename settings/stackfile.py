"""Where config comes from: a stack file, or the engine that has read one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from settings.catalogue import keys_of, models_of
from settings.models import Settings
from settings.report import PROJECT, is_encrypted
from settings.secret import as_secret


class StackFileError(Exception):
    """A stack file that cannot be read; the text says where and why."""


def stack_file(stack: str) -> str:
    """The file name of a stack's config."""
    return f"Pulumi.{stack}.yaml"


def read(path: Path) -> dict[str, Any]:
    """The mapping below `config:` of a stack file; empty where it has none.

    Raises:
        StackFileError: no such file, or not a stack file.
    """
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StackFileError(f"{path.name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StackFileError(f"{path.name}: is not UTF-8 text") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise StackFileError(f"{path.name}: is not YAML: {_where(error)}") from None
    config = content.get("config") if isinstance(content, dict) else content
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise StackFileError(f"{path.name}: 'config:' must hold keys and values")
    return config


def _where(error: Exception) -> str:
    """The parser's complaint without the line's text, which may hold a secret."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        return type(error).__name__
    return f"{problem or 'wrong'} (line {mark.line + 1}, column {mark.column + 1})"


def program_config(stack: str) -> dict[str, Any]:
    """What the engine hands to the program, with encrypted values sealed and sections unpacked.

    The engine hands over plain values, and says of a section only that some of it is secret. Which
    part is encrypted, and whether a number lost its quotes, only the stack file knows.
    """
    from pulumi.runtime import config as engine

    values = {**engine.get_config_env(), **engine.CONFIG.get()}
    try:
        written = read(Path(stack_file(stack)))
    except StackFileError:
        written = {}
    written = {key if ":" in key else f"{PROJECT}:{key}": value for key, value in written.items()}
    return {
        key: _merge(key, _unpacked(key, value), written.get(key), secret=engine.is_config_secret(key))
        for key, value in values.items()
    }


def _unpacked(key: str, value: Any) -> Any:
    """A section as data; anything else as the engine has it."""
    field = keys_of((Settings,)).get(key.removeprefix(f"{PROJECT}:"))
    is_section = field is None or models_of(field.annotation) or key == f"{PROJECT}:secrets"
    if not is_section or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _merge(key: str, value: Any, written: Any, *, secret: bool) -> Any:
    if secret and _has_seal(written):
        return _sealed(value, written)
    if secret and key == f"{PROJECT}:registry" and isinstance(value, dict) and "password" in value:
        return value | {"password": _seal(value["password"])}  # what else is in it may not be encrypted
    if secret:
        return _sealed_all(value)
    if isinstance(value, str) and isinstance(written, float):
        return written
    return value


def _has_seal(written: Any) -> bool:
    if is_encrypted(written):
        return True
    if isinstance(written, Mapping):
        return any(_has_seal(each) for each in written.values())
    return isinstance(written, list) and any(_has_seal(each) for each in written)


def _sealed(value: Any, written: Any) -> Any:
    """`value` with the parts sealed that the file has encrypted."""
    if is_encrypted(written):
        return _seal(value)
    if isinstance(value, dict):
        parts = written if isinstance(written, Mapping) else {}
        return {key: _sealed(each, parts.get(key)) for key, each in value.items()}
    if isinstance(value, list):
        parts = written if isinstance(written, list) else []
        return [
            _sealed(each, parts[index] if index < len(parts) else None) for index, each in enumerate(value)
        ]
    return value


def _sealed_all(value: Any) -> Any:
    """Every part sealed, as the file at hand is not where the secret came from. An ARN never is a secret."""
    if isinstance(value, dict):
        return {key: _sealed_all(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_sealed_all(each) for each in value]
    secret = as_secret(value)
    return value if secret and secret.kind == "aws" else _seal(value)


def _seal(value: Any) -> SecretStr:
    return SecretStr(value if isinstance(value, str) else json.dumps(value))
