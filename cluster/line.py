"""A line of stages: what every command asks, from a recipe to the artefacts of a root."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from cluster.errors import RequestError
from cluster.plan import Planned, make_plan
from cluster.recipe import Recipe, default_recipe, load_recipe, recipe_model
from cluster.stage import Stage
from cluster.store import Artefact, Store


@dataclass(frozen=True)
class Remark:
    """What a plan says besides its stages. values: for programs; shown: what a terminal prints, as rich renders it."""

    values: dict[str, Any]
    shown: Sequence[Any]


def nothing_to_refuse(_: Any) -> None: ...


def no_remark(_: Store, __: Sequence[str]) -> Remark:
    return Remark({}, ())


@dataclass(frozen=True)
class Line:
    """Stages in order, and the recipe that has a section for each.

    others: sections that no stage owns, such as `serve`. check: raises RequestError for sections that do not fit each other.
    remark: what a root gives to say besides the state of its stages.
    """

    stages: tuple[Stage, ...]
    others: dict[str, type[BaseModel]] = field(default_factory=dict)
    check: Callable[[Any], None] = nothing_to_refuse
    remark: Callable[[Store, Sequence[str]], Remark] = no_remark

    @cached_property
    def model(self) -> type[Recipe]:
        return recipe_model(self.stages, **self.others)

    @property
    def names(self) -> list[str]:
        return [stage.name for stage in self.stages]

    def with_stages(self, *more: Stage) -> Line:
        return replace(self, stages=(*self.stages, *more))

    def load(
        self,
        recipe: str | None = None,
        settings: Sequence[str] | None = None,
        root: str | None = None,
        inputs: Sequence[str] | None = None,
        looking: bool = False,
    ) -> Recipe:
        """A checked recipe. settings: `key=value`; root, inputs: what the options of these names say.

        looking: to look at what is there, not to make anything: see `default_recipe` for where no recipe is named.
        """
        named = recipe or default_recipe(inputs, looking)
        chosen = load_recipe(self.model, named, as_overrides(settings, root, inputs))
        self.check(chosen)
        return chosen

    def stage(self, name: str, asked: str) -> Stage:
        """A stage by its artefact's or section's name. asked: the option that named it. Raises RequestError for any other."""
        found = next((stage for stage in self.stages if name in (stage.name, stage.section)), None)
        if found is None:
            raise RequestError(f"{asked} {name}: no such stage; there are {', '.join(self.names)}")
        return found

    def plan(self, recipe: Recipe, store: Store, until: str | None = None) -> list[Planned]:
        return make_plan(recipe, self.stages, store, until)

    def artefacts(self, recipe: Recipe, store: Store) -> dict[str, Artefact | None]:
        """The artefact of every stage as the recipe is now; None where it is not made yet."""
        return {each.stage.name: store.artefact(each.stage.name, each.key) for each in self.plan(recipe, store)}


def as_overrides(settings: Sequence[str] | None, root: str | None = None, inputs: Sequence[str] | None = None) -> list[str]:
    """`key=value`, with what other options stand for."""
    overrides = list(settings or [])
    if inputs:
        overrides.append(f"crawl.input={json.dumps(list(inputs))}")
    if root:
        overrides.append(f"root={json.dumps(root)}")
    return overrides


def opened(recipe: Recipe) -> Store:
    """The recipe's root, to be read."""
    store = Store(recipe.root_uri)
    store.check(writing=False)
    return store
