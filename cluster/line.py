"""A line of stages: what every command asks, from a recipe to the artefacts of a root."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from cluster.errors import RequestError
from cluster.plan import Planned, make_plan
from cluster.recipe import Recipe, checked, default_recipe, load_recipe, recipe_model
from cluster.resources import Bundle
from cluster.runs import RunRecord, last_run
from cluster.stage import Stage
from cluster.store import Artefact, Store


@dataclass(frozen=True)
class Remark:
    """What a plan says besides its stages. values: for programs; shown: what a terminal prints, as rich renders it."""

    values: dict[str, Any]
    shown: Sequence[Any]


@dataclass(frozen=True)
class Seen:
    """A root as somebody looks at it. run: the one whose artefacts these are; None: those of a recipe that was named."""

    recipe: Recipe
    store: Store
    run: RunRecord | None
    keys: Callable[[], Mapping[str, str]]

    @cached_property
    def artefacts(self) -> dict[str, Artefact | None]:
        """Of every stage; None where it is not made. Raises RequestError where a recipe's input files are missing."""
        return {name: self.store.artefact(name, key) if key else None for name, key in self.keys().items()}

    @property
    def which(self) -> str:
        """A line that says of what one sees the result; empty where the reader named it."""
        return f"run {self.run.id} ({self.run.outcome})" if self.run else ""


def nothing_to_refuse(_: Any) -> None: ...


def no_remark(_: Store, __: Sequence[str]) -> Remark:
    return Remark({}, ())


@dataclass(frozen=True)
class Line:
    """Stages in order, and the recipe that has a section for each.

    others: sections that no stage owns, such as `serve`. check: raises RequestError for sections that do not fit each other.
    remark: what a root gives to say besides the state of its stages. others_room: what work that is no stage books, by name.
    """

    stages: tuple[Stage, ...]
    others: dict[str, type[BaseModel]] = field(default_factory=dict)
    check: Callable[[Any], None] = nothing_to_refuse
    remark: Callable[[Store, Sequence[str]], Remark] = no_remark
    others_room: Mapping[str, Callable[[Any], Sequence[Bundle]]] = field(default_factory=dict)

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

    def needs_room(self, recipe: Recipe) -> dict[str, Sequence[Bundle]]:
        """What each stage, and whatever else works, books of a cluster at the same time."""
        asked = {stage.name: stage.needs_room for stage in self.stages} | dict(self.others_room)
        return {name: bundles for name, needs in asked.items() if (bundles := needs(recipe))}

    def plan(self, recipe: Recipe, store: Store, until: str | None = None) -> list[Planned]:
        record = last_run(store.root)
        return make_plan(recipe, self.stages, store, until, record.stages if record else None)

    def look(
        self,
        recipe: str | None = None,
        settings: Sequence[str] | None = None,
        root: str | None = None,
        inputs: Sequence[str] | None = None,
    ) -> Seen:
        """What a root holds: of its last run where no recipe and no input is named, else as these have it now.

        Artefacts of the last run are found by the keys that it left, so its input files need not be there any more. Settings
        are put over that run's recipe: with those that are in no key, such as a port, its artefacts are the same.
        """
        chosen = self.load(recipe, settings, root, inputs, looking=True)
        store = opened(chosen)
        record = last_run(store.root)
        if recipe or inputs or record is None:
            return Seen(chosen, store, None, lambda: {each.stage.name: each.key for each in self.plan(chosen, store)})
        label = f"of the last run, {record.id}"
        ran = checked(self.model, {**record.recipe, "root": chosen.root_uri}, label, list(settings or ()))
        if settings:
            self.check(ran)
            return Seen(ran, store, record, lambda: {each.stage.name: each.key for each in self.plan(ran, store)})
        return Seen(ran, store, record, lambda: {name: record.stages.get(name, "") for name in self.names})


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
