"""A recipe: one YAML file that says everything a run does, checked whole before any work starts."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, create_model

from cluster.errors import RequestError
from cluster.overrides import apply_override
from cluster.settings import ClusterSettings
from cluster.stage import Stage
from cluster.strict_yaml import file_bytes, parse
from cluster.track.settings import TrackingSettings

DEFAULT = "quickstart"  # its limits are loosened for Python's reference documentation, which is all it is for
FOR_INPUT = "web"  # for pages of one's own


class Recipe(BaseModel):
    """The parts of every recipe; `recipe_model` adds a section a stage."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("quickstart", pattern=r"^[a-z0-9][a-z0-9-]*$", description="names the root (its model: release.name)")
    root: str | None = Field(None, description="where artefacts live: a directory or s3://, gs://; default runs/NAME")
    cluster: ClusterSettings = Field(default_factory=lambda: ClusterSettings())
    tracking: TrackingSettings = Field(default_factory=lambda: TrackingSettings())

    _source: str = PrivateAttr("")
    _settings: tuple[str, ...] = PrivateAttr(())

    @property
    def source(self) -> str:
        """The file or shipped name that it was read from."""
        return self._source

    @property
    def settings(self) -> tuple[str, ...]:
        """The `key=value` that were put over it."""
        return self._settings

    @property
    def root_uri(self) -> str:
        return self.root or f"runs/{self.name}"


def recipe_model(stages: Sequence[Stage], **others: type[BaseModel]) -> type[Recipe]:
    """The recipe's model: one section a stage, plus `others` (sections no stage owns, such as `serve`)."""
    sections: dict[str, Any] = {}
    for section, settings in [*((stage.section, stage.settings) for stage in stages), *others.items()]:
        sections[section] = (settings, Field(default_factory=settings))
    return create_model("Recipe", __base__=Recipe, **sections)


def default_recipe(inputs: Sequence[str] | None, looking: bool) -> str:
    """The shipped recipe that is meant where none is named: `web` for pages of one's own, else the quickstart.

    looking: a command that makes nothing is about what was made last, the one of both whose root in ./runs changed last.
    """
    if inputs:
        return FOR_INPUT
    roots = {name: Path("runs", name) for name in (DEFAULT, FOR_INPUT)} if looking else {}
    changed = {name: root.stat().st_mtime_ns for name, root in roots.items() if root.is_dir()}
    return max(changed, key=lambda name: changed[name], default=DEFAULT)


def load_recipe(model: type[Recipe], source: str | None, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe by path or shipped name, apply `key=value` overrides, validate.

    Raises RequestError, in one line that names the key, for anything that is not a valid recipe.
    """
    label = source or DEFAULT
    return checked(model, read_recipe(label), label, overrides)


def checked(model: type[Recipe], values: dict[str, Any], label: str, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe of `values` with `key=value` over them. label: what to call it. Raises RequestError as `load_recipe` does."""
    defaults = model().model_dump() if overrides else {}
    for override in overrides:
        apply_override(values, override, defaults)
    try:
        recipe = model.model_validate(values)
    except ValidationError as error:
        raise RequestError(f"recipe {label}: {explain(error, model)}") from error
    recipe._source, recipe._settings = label, tuple(overrides)
    return recipe


@cache
def shipped_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with pageloom."""
    files = resources.files("cluster.recipes").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def recipe_text(source: str) -> bytes:
    """A recipe as its file has it, with the comments that explain it, by path or shipped name."""
    if source in shipped_recipes():
        return resources.files("cluster.recipes").joinpath(f"{source}.yaml").read_bytes()
    return file_bytes(source, f"no such recipe file, nor a shipped recipe ({', '.join(shipped_recipes())})")


def read_recipe(source: str) -> dict[str, Any]:
    """A recipe's own values, nothing filled in. A section with nothing in it is one of defaults."""
    values = parse(recipe_text(source), f"recipe {source}")
    if not isinstance(values, dict | None):
        raise RequestError(f"recipe {source}: a recipe is a mapping of sections, this is a {type(values).__name__}")
    return {section: {} if own is None and section != "root" else own for section, own in (values or {}).items()}


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault of a recipe in one line, with the nearest known key where one is misspelt."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if fault["type"] == "extra_forbidden":
        known = known_keys(model, fault["loc"][:-1])
        close = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
        prefix = ".".join(str(part) for part in fault["loc"][:-1])
        hint = f"did you mean {prefix + '.' if prefix else ''}{close[0]}?" if close else f"known here: {', '.join(known)}"
        return f"{key}: unknown key; {hint}{more}"
    given = "" if isinstance(fault["input"], dict) else f", not {fault['input']!r}"
    return f"{key}: {fault['msg'][0].lower()}{fault['msg'][1:]}{given}{more}"


def known_keys(model: type[BaseModel], path: Sequence[Any]) -> list[str]:
    """The keys of the section at `path`, which may lead through lists and mappings of sections."""
    place: Any = model
    for part in path:
        if is_section(place):
            place = place.model_fields[str(part)].annotation if str(part) in place.model_fields else None
        else:
            place = (get_args(place) or (None,))[-1]  # what a list or a mapping holds
        place = next(filter(is_section, get_args(place)), place) if isinstance(place, UnionType) else place
    return sorted(place.model_fields) if is_section(place) else []


def is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
