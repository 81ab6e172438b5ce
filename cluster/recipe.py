"""A recipe: one YAML file that says everything a run does, checked whole before any work starts."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, create_model

from cluster.errors import RequestError
from cluster.settings import ClusterSettings
from cluster.stage import Stage
from cluster.track.settings import TrackingSettings


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


def load_recipe(model: type[Recipe], source: str | None, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe by path or shipped name, apply `key=value` overrides, validate.

    Raises RequestError, in one line that names the key, for anything that is not a valid recipe.
    """
    label, values = source or "quickstart", read_recipe(source or "quickstart")
    for override in overrides:
        apply_override(values, override)
    try:
        recipe = model.model_validate(values)
    except ValidationError as error:
        raise RequestError(f"recipe {label}: {explain(error, model)}") from error
    recipe._source, recipe._settings = label, tuple(overrides)
    return recipe


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with pageloom."""
    files = resources.files("cluster.recipes").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def read_recipe(source: str) -> dict[str, Any]:
    if source in shipped_recipes():
        text = resources.files("cluster.recipes").joinpath(f"{source}.yaml").read_bytes()
    elif Path(source).is_file():
        text = Path(source).read_bytes()
    else:
        raise RequestError(f"{source}: no such recipe file, nor a shipped recipe ({', '.join(shipped_recipes())})")
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise RequestError(f"recipe {source}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise RequestError(f"recipe {source}: a recipe is a mapping of sections, this is a {type(values).__name__}")
    return values


def apply_override(values: dict[str, Any], override: str) -> None:
    """Put `a.b=value` (value in YAML) into nested `values`."""
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise RequestError(f"--set {override}: write it as section.key=value")
    *parents, last = path.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise RequestError(f"--set {override}: {parent} is not a section")
        values = inner
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RequestError(f"--set {override}: not valid YAML: {' '.join(str(error).split())}; quote the value") from error


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
