"""What a setting is to a key and to a release: marks that stand in its type, as in `port: How[int]`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

T = TypeVar("T")


class Mark(Enum):
    HOW = "how"
    FILES = "files"
    PRIVATE = "private"


# How something is done, never what comes of it: time-outs, ports, memory. In no key.
How = Annotated[T, Mark.HOW]
# Paths, globs or URIs. Their files enter a key by what they hold, so a key does not change with their place; never published.
Files = Annotated[T, Mark.FILES]
# What nobody outside is to read: addresses of people, credentials. In the key, never published.
Private = Annotated[T, Mark.PRIVATE]


def is_marked(field: FieldInfo, mark: Mark) -> bool:
    return mark in field.metadata


def key_values(settings: BaseModel, usual: BaseModel | None = None) -> dict[str, Any]:
    """What of settings can change a stage's bytes, as JSON values: without `How`, and without what is as usual.

    usual: what a value is compared with; None: the model's defaults. A default that is left out is part of what the stage's
    version says, so an option that is new changes no key, and a default that changes asks for a new version.
    Of `Files` only their number stays, which says how many of the files that enter a key belong to which setting.
    """
    written = settings.model_dump(mode="json")
    values: dict[str, Any] = {}
    for name, field in type(settings).model_fields.items():
        if is_marked(field, Mark.HOW):
            continue
        value = getattr(settings, name)
        default = getattr(usual, name) if usual is not None else field.get_default(call_default_factory=True)
        if is_marked(field, Mark.FILES):
            if value:
                values[name] = len(value) if isinstance(value, list) else 1
        elif isinstance(value, BaseModel) and type(value) is type(default):
            if inner := key_values(value, default):
                values[name] = inner
        elif value != default:
            values[name] = unusual(value, written[name])
    return values


def unusual(value: Any, written: Any) -> Any:
    """A value that is not the default one, with the marks of what is inside. written: as the model's JSON has it."""
    if isinstance(value, BaseModel):
        return key_values(value)
    if isinstance(value, list) and value and all(isinstance(each, BaseModel) for each in value):
        return [key_values(each) for each in value]
    return written


def publishable(settings: BaseModel) -> dict[str, Any]:
    """Settings as a release may show them: without `Private`, and of `Files` only how many there are."""
    written = settings.model_dump(mode="json")
    values: dict[str, Any] = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if is_marked(field, Mark.PRIVATE):
            continue
        if is_marked(field, Mark.FILES):
            values[name] = f"{len(value) if isinstance(value, list) else int(bool(value))} named"
        elif isinstance(value, BaseModel):
            values[name] = publishable(value)
        elif isinstance(value, list) and value and all(isinstance(each, BaseModel) for each in value):
            values[name] = [publishable(each) for each in value]
        else:
            values[name] = written[name]
    return values


def defaults(model: type[BaseModel], usual: BaseModel | None = None, path: str = "") -> Mapping[str, Any]:
    """The default of every setting that a key can hold, by dotted name: what a stage's version stands for."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if is_marked(field, Mark.HOW) or field.is_required():
            continue
        value = getattr(usual, name) if usual is not None else field.get_default(call_default_factory=True)
        if isinstance(value, BaseModel):
            found |= defaults(type(value), value, f"{path}{name}.")
        else:
            found[path + name] = value
    return found
