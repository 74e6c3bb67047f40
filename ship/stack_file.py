"""Edits single keys of a stack file; every byte outside the changed lines stays as it is.

`edited` is pure: text in, text out. It works on the places that YAML's own scanner reports, so that comments,
order, quotes, line ends and layout are never written anew, and it proves of its result that nothing else
changed. What it cannot edit surely it refuses.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml import MappingNode, Node, ScalarNode, Token
from yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    ScalarToken,
    TagToken,
    ValueToken,
)

from settings.report import PROJECT
from ship.errors import Exit, ShipError

Value = str | Mapping[str, str] | None
"""What a key is set to; None takes the key out."""

_OPENING = (
    BlockMappingStartToken, BlockSequenceStartToken, FlowMappingStartToken, FlowSequenceStartToken,
)  # fmt: skip
_CLOSING = (BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken)
_PLAIN = re.compile(r"[A-Za-z][\w.-]*|\d+\.\d+\.\d[\w.-]*")
_OTHER_TYPES = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan"])


class UnclearError(Exception):
    """The file is not one whose key can be changed surely; the text says why."""


def edit(path: Path, changes: Mapping[str, Value]) -> tuple[bytes, bytes]:
    """Change keys of a stack file at once; returns its bytes before and after.

    Args:
        changes: key without namespace (`imageTag`) → its new value, None to take it out.

    Raises:
        ShipError: the file cannot be read, edited surely, or written.
    """
    before = read(path)
    try:
        after = edited(before.decode("utf-8"), changes).encode()
    except UnicodeDecodeError:
        raise _refused(path, "it is not UTF-8 text") from None
    except UnclearError as error:
        raise _refused(path, str(error)) from None
    replace(path, after, expected=before)
    return before, after


def read(path: Path) -> bytes:
    """A stack file's bytes.

    Raises:
        ShipError: there is none, or it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refused(path, f"it cannot be read: {error.strerror}") from None


def replace(path: Path, text: bytes, *, expected: bytes) -> None:
    """Put `text` in the place of a file's content at once: a reader sees the old or the new, never a part.

    Raises:
        ShipError: the file holds something else than `expected`, or cannot be written.
    """
    target = path.resolve()
    # One fixed name: what a killed command left behind is overwritten by the next, not added to.
    scratch = target.with_name(f".{target.name}.ship")
    try:
        with scratch.open("wb") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        scratch.chmod(target.stat().st_mode & 0o7777)
        if target.read_bytes() != expected:
            scratch.unlink()
            raise ShipError(
                f"{path.name} was changed by somebody else at this moment; it was left as it is",
                fix="look at it, then run the same command again",
                code=Exit.BUSY,
            )
        scratch.replace(target)
    except OSError as error:
        raise _refused(path, f"it cannot be written: {error.strerror}") from None


def edited(text: str, changes: Mapping[str, Value]) -> str:
    """The text of a stack file with keys changed below its `config:`.

    Raises:
        UnclearError: it is not one document of keys, a key is there twice, or its value is of an unforeseen kind.
    """
    result = text
    for key, value in changes.items():
        result = _changed(result, key, value)
    _prove(text, result, changes)
    return result


def _refused(path: Path, why: str) -> ShipError:
    return ShipError(
        f"{path.name} was not edited: {why}",
        fix=f"set the key by hand, or with `pulumi config set` (which lays {path.name} out anew)",
    )


@dataclass(frozen=True)
class _File:
    """A parsed stack file.

    Args:
        root: its mapping; None for an empty file.
        config: the mapping below `config`; None where there is none yet.
        config_key: the key itself; None where there is none.
    """

    text: str
    tokens: Sequence[Token]
    root: MappingNode | None
    config_key: Node | None
    config: MappingNode | None

    @classmethod
    def parse(cls, text: str) -> "_File":
        try:
            documents = list(yaml.compose_all(text, yaml.SafeLoader))
            tokens = list(yaml.scan(text, yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            where = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
            raise UnclearError(f"it is not YAML{where}: {error.problem}") from None
        except (yaml.YAMLError, RecursionError) as error:
            raise UnclearError(f"it is not YAML: {type(error).__name__}") from None
        if len(documents) > 1:
            raise UnclearError("it holds more than one YAML document")
        root = documents[0] if documents else None
        if isinstance(root, ScalarNode) and not root.value:
            root = None
        if root is not None and not isinstance(root, MappingNode):
            raise UnclearError("it does not hold keys and values")
        key, config = _entry(root, ["config"]) or (None, None)
        if isinstance(config, ScalarNode) and config.value in ("", "~", "null"):
            config = None
        if config is not None and not isinstance(config, MappingNode):
            raise UnclearError("`config:` does not hold keys and values")
        return cls(text, tokens, root, key, config)

    def find(self, name: str) -> tuple[Node, Node] | None:
        """Key and value of a setting, written with or without the namespace."""
        return _entry(self.config, [f"{PROJECT}:{name}", name])

    def place(self, key: Node) -> "_Place":
        """Where the value of `key` stands."""
        at = next(
            i for i, one in enumerate(self.tokens)
            if isinstance(one, ScalarToken) and one.end_mark.index == key.end_mark.index
        )  # fmt: skip
        while not isinstance(self.tokens[at], ValueToken):
            at += 1
        colon = self.tokens[at].end_mark.index
        at += 1
        anchored = False
        while isinstance(self.tokens[at], AnchorToken | TagToken):
            anchored = anchored or isinstance(self.tokens[at], AnchorToken)
            colon = self.tokens[at].end_mark.index
            at += 1
        return _Place(colon, *self._value(at), anchored=anchored)

    def _value(self, at: int) -> tuple[Token | None, int]:
        """The first token of a value (None for an empty one) and the index in the text where it ends."""
        first = self.tokens[at]
        if isinstance(first, ScalarToken | AliasToken):
            return first, first.end_mark.index
        if not isinstance(first, _OPENING):
            return None, 0
        depth, end = 0, first.end_mark.index
        for token in self.tokens[at:]:
            depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
            if not isinstance(token, BlockEndToken):
                end = token.end_mark.index
            if depth == 0:
                break
        return first, end


@dataclass(frozen=True)
class _Place:
    """Where a value stands.

    Args:
        colon: the index after the colon (and after an anchor or a tag).
        first: the value's first token; None for an empty value.
        end: the index after the value.
        anchored: it has an anchor.
    """

    colon: int
    first: Token | None
    end: int
    anchored: bool

    @property
    def start(self) -> int:
        """The index of the value's first character."""
        return self.first.start_mark.index if self.first else self.colon


def _entry(mapping: MappingNode | None, names: Sequence[str]) -> tuple[Node, Node] | None:
    found = [(key, value) for key, value in (mapping.value if mapping else []) if key.value in names]
    if len(found) > 1:
        lines = " and ".join(str(key.start_mark.line + 1) for key, _ in found)
        raise UnclearError(f"`{names[0]}` is there more than once (lines {lines})")
    return found[0] if found else None


def _changed(text: str, name: str, value: Value) -> str:
    file = _File.parse(text)
    entry = file.find(name)
    if entry is None:
        return text if value is None else _inserted(file, name, value)
    key = entry[0]
    if value is None:
        return _removed(file, key)
    return _replaced(file, key, value)


def _replaced(file: _File, key: Node, value: Value) -> str:
    text, place = file.text, file.place(key)
    first = place.first
    if isinstance(first, ScalarToken) and (
        first.style in ("|", ">") or "\n" in text[place.start : place.end]
    ):
        raise UnclearError(f"`{key.value}` (line {key.start_mark.line + 1}) has a value of several lines")
    if first is None:
        following = file.text[place.colon :].lstrip(" ")[:1]
        if following not in ("", "\r", "\n", "#", ",", "}"):
            raise UnclearError(
                f"`{key.value}` (line {key.start_mark.line + 1}) has a value of an unforeseen kind"
            )
        return f"{text[: place.colon]} {_written(value)}{text[place.colon :]}"
    if isinstance(first, BlockMappingStartToken | BlockSequenceStartToken):
        line_end = _line_end(text, place.colon)
        rest = text[_line_end(text, place.end) :]
        return f"{text[: place.colon]} {_written(value)}{text[place.colon : line_end]}{rest}"
    style = first.style if isinstance(first, ScalarToken) and not first.plain else None
    return text[: place.start] + _written(value, style) + text[place.end :]


def _removed(file: _File, key: Node) -> str:
    text, place = file.text, file.place(key)
    end = max(place.end, place.colon)
    if _is_flow(text, file.config):
        start = key.start_mark.index
        after = re.match(r"\s*,[ \t]*", text[end:])
        before = re.search(r",[ \t]*\Z", text[:start])
        if after:
            return text[:start] + text[end + after.end() :]
        return text[: before.start() if before else start] + text[end:]
    start = max(text.rfind("\n", 0, key.start_mark.index), text.rfind("\r", 0, key.start_mark.index)) + 1
    return text[:start] + text[_after_line(text, end) :]


def _inserted(file: _File, name: str, value: Value) -> str:
    """After the line of `imageTag`, else as the first key of `config:`, which is made where it is missing."""
    text, written = file.text, f"{PROJECT}:{name}: {_written(value)}"
    if file.config_key is None:
        return _with_config(file, written)
    if file.config is None:
        return _after_key(file, written)
    beside = file.find("imageTag")
    first = file.config.value[0][0] if file.config.value else None
    if _is_flow(text, file.config):
        if beside:
            end = file.place(beside[0]).end
            return f"{text[:end]}, {written}{text[end:]}"
        start = text.index("{", file.place(file.config_key).start) + 1
        return f"{text[:start]}{written}{', ' if first else ''}{text[start:]}"
    if first is None:
        raise UnclearError("`config:` has an unforeseen layout")
    if first.start_mark.column == 0:
        raise UnclearError("`config:` has keys that are not indented")
    indented = " " * first.start_mark.column + written
    if beside:
        place = file.place(beside[0])
        end = _line_end(text, max(place.end, place.colon))
        return text[:end] + _newline(text) + indented + text[end:]
    start = first.start_mark.index - first.start_mark.column
    return text[:start] + indented + _newline(text) + text[start:]


def _with_config(file: _File, written: str) -> str:
    if file.root is not None and _is_flow(file.text, file.root):
        raise UnclearError("it has no `config:` and is written in braces")
    newline = _newline(file.text)
    text = file.text if not file.text or file.text.endswith("\n") else file.text + newline
    if text.rstrip().endswith("..."):
        raise UnclearError("it has no `config:` and ends with `...`")
    return f"{text}config:{newline}  {written}{newline}"


def _after_key(file: _File, written: str) -> str:
    """Below a `config:` that has no value."""
    place = file.place(file.config_key) if file.config_key else None
    if place is None or place.first is not None:
        raise UnclearError("`config:` is null")
    end = _line_end(file.text, place.colon)
    return file.text[:end] + _newline(file.text) + "  " + written + file.text[end:]


def _written(value: Value, style: str | None = None) -> str:
    """A value as YAML on one line, in the quotes that the old one had."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_written(each)}" for key, each in value.items()) + "}"
    text = str(value)
    if style == "'" and "\n" not in text:
        return "'" + text.replace("'", "''") + "'"
    if style is None and _PLAIN.fullmatch(text) and text.lower() not in _OTHER_TYPES:
        return text
    # JSON's strings are YAML's double-quoted ones.
    return json.dumps(text, ensure_ascii=False)


def _is_flow(text: str, mapping: MappingNode | None) -> bool:
    return mapping is not None and bool(mapping.flow_style) and "{" in text


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_end(text: str, index: int) -> int:
    """The index of the line end after `index`."""
    found = re.compile(r"[\r\n]").search(text, index)
    return found.start() if found else len(text)


def _after_line(text: str, index: int) -> int:
    """The index of the next line's first character."""
    end = _line_end(text, index)
    return end + (2 if text.startswith("\r\n", end) else 1 if end < len(text) else 0)


def _prove(before: str, after: str, changes: Mapping[str, Value]) -> None:
    """Refuse a result in which anything but the asked-for keys differs."""
    old, new = _File.parse(before), _File.parse(after)
    allowed = {name for key in changes for name in (key, f"{PROJECT}:{key}")}
    for name, value in changes.items():
        found = new.find(name)
        if (None if found is None else _plain(found[1])) != _given(value):
            raise UnclearError(f"`{name}` could not be set surely")
    shared = [name for name in changes if (found := old.find(name)) and old.place(found[0]).anchored]
    # What names the anchor of a changed value changes with it, as its author wanted.
    if not shared and _others(old, allowed) != _others(new, allowed):
        raise UnclearError("something else would change as well")


def _others(file: _File, allowed: set[str]) -> Any:
    root = {key.value: _plain(value) for key, value in (file.root.value if file.root else [])}
    config = {key.value: _plain(value) for key, value in (file.config.value if file.config else [])}
    return {**root, "config": {key: value for key, value in config.items() if key not in allowed}}


def _plain(node: Node) -> Any:
    """A node as comparable data, each scalar with its type."""
    if isinstance(node, MappingNode):
        return [(_plain(key), _plain(value)) for key, value in node.value]
    if isinstance(node, ScalarNode):
        return (node.tag, node.value)
    return [_plain(one) for one in node.value]


def _given(value: Value) -> Any:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return [(_given(key), _given(each)) for key, each in value.items()]
    return ("tag:yaml.org,2002:str", value)
