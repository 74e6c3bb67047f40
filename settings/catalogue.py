"""What the models know, asked by path: which keys a section has, and which key a misspelt one means."""

import difflib
import functools
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from settings.models import Settings

Path = tuple[str | int, ...]
Models = tuple[type[BaseModel], ...]


def models_of(annotation: Any) -> Models:
    """The section models inside a field's type: none for a scalar or a map, several for a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated or origin is tuple:
        return models_of(args[0])
    if origin in (Union, types.UnionType):
        return tuple(model for arg in args for model in models_of(arg))
    return ()


def is_list(field: FieldInfo) -> bool:
    """Whether a key holds a list."""
    kinds = (field.annotation, *get_args(field.annotation))
    return any(
        get_origin(get_args(kind)[0] if get_origin(kind) is Annotated else kind) is tuple for kind in kinds
    )


@functools.cache
def keys_of(models: Models) -> dict[str, FieldInfo]:
    """The keys that a section of these models may have, as written in YAML."""
    return {field.alias or name: field for model in models for name, field in model.model_fields.items()}


def tags_of(model: type[BaseModel]) -> tuple[Any, ...]:
    """The words that choose this model of a union, such as `docker`."""
    for field in model.model_fields.values():
        if get_origin(field.annotation) is Literal and field.is_required():
            return get_args(field.annotation)
    return ()


def resolve(location: Path, *, tagged: bool = False) -> tuple[Path, Models, FieldInfo | None]:
    """Follow a path through the models.

    Args:
        location: keys and list indexes from the top.
        tagged: the location is pydantic's, which puts the chosen tag after every union.

    Returns:
        The path without tags, the models of the section that holds its last key, and that key's field
        (None where the models know no such key).
    """
    path: Path = ()
    holder: Models = (Settings,)
    models: Models = (Settings,)
    field: FieldInfo | None = None
    for segment in location:
        if tagged and len(models) > 1 and field is not None:
            models, field = tuple(model for model in models if segment in tags_of(model)), None
            continue
        path = (*path, segment)
        if isinstance(segment, int):
            continue
        holder = models
        field = keys_of(models).get(segment)
        models = models_of(field.annotation) if field else ()
    return path, holder, field


def in_unknown(path: Path) -> bool:
    """Whether a path is, or is below, a key that its section does not have."""
    for length in range(1, len(path) + 1):
        _, holder, field = resolve(path[:length])
        if field is None:
            return bool(holder)
    return False


@functools.cache
def all_paths() -> dict[Path, FieldInfo]:
    """Every key of a stack file, in order; the items of a list have no index."""
    return dict(_walk((), (Settings,)))


def fits(path: Path, value: Any) -> bool:
    """Whether a value keeps every rule of the plain key at `path`; unknown keys take anything."""
    known = tuple(segment for segment in path if isinstance(segment, str))
    if known not in all_paths():
        return True
    try:
        _adapter(known).validate_python(value)
    except ValidationError:
        return False
    return True


@functools.cache
def _adapter(path: tuple[str, ...]) -> TypeAdapter[Any]:
    field = all_paths()[path]
    kind: Any = field.annotation
    if field.metadata:
        kind = Annotated[kind, *field.metadata]
    return TypeAdapter(kind, config=None if models_of(kind) else ConfigDict(strict=True))


def _walk(path: Path, models: Models) -> Iterator[tuple[Path, FieldInfo]]:
    for key, field in keys_of(models).items():
        yield (*path, key), field
        yield from _walk((*path, key), models_of(field.annotation))


def closest(word: object, known: list[str]) -> str | None:
    """The known word that `word` most likely means; case, `_` and `-` do not count."""
    plain = {_plain(each): each for each in known}
    found = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else None


def _plain(word: object) -> str:
    text = word if isinstance(word, str) else ""
    return text[:100].lower().replace("_", "").replace("-", "")


def meant(path: Path, known: list[str]) -> Path | None:
    """The key that an unknown one most likely means: a neighbour, else the same word elsewhere."""
    neighbour = closest(path[-1], known)
    if neighbour:
        return (*path[:-1], neighbour)
    return _places().get(_plain(path[-1]))


@functools.cache
def _places() -> dict[str, Path]:
    """The shortest path of each key's word."""
    return {_plain(path[-1]): path for path in sorted(all_paths(), key=len, reverse=True)}
