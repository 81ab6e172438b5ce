"""A recipe written out in full: every key with its value, and what it means as a comment."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

WIDTH = 110


def annotated(recipe: BaseModel) -> str:
    """YAML that loads as the same recipe."""
    return "\n".join(lines(recipe, recipe.model_dump(mode="json"))) + "\n"


def lines(settings: BaseModel, values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for name, field in type(settings).model_fields.items():
        own = getattr(settings, name)
        if not indent and isinstance(own, BaseModel):
            yield ""
        yield from comment(field.description or (isinstance(own, BaseModel) and own.__doc__) or "", indent)
        if isinstance(own, BaseModel):
            yield f"{indent}{name}:"
            yield from lines(own, values[name], f"{indent}  ")
        else:
            yield textwrap.indent(written(name, values[name]), indent)


def written(name: str, value: Any) -> str:
    """`name: value` on one line, or on as many as a long value takes."""
    short = yaml.safe_dump([value], sort_keys=False, default_flow_style=True, allow_unicode=True, width=10**9).rstrip("\n")
    if len(short) <= WIDTH:
        return f"{name}: {short[1:-1]}"
    return yaml.safe_dump({name: value}, sort_keys=False, default_flow_style=False, width=10**9).rstrip("\n")


def comment(text: str, indent: str) -> Iterator[str]:
    """The first paragraph of a description."""
    words = " ".join(text.strip().partition("\n\n")[0].split())
    yield from (f"{indent}# {line}" for line in textwrap.wrap(words, WIDTH - len(indent) - 2))
