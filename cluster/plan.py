"""How the key of a stage follows from what it depends on, and what would run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from cluster.inputs import expand, root_list
from cluster.recipe import Recipe
from cluster.stage import Stage
from cluster.store import Artefact, Store


@dataclass(frozen=True)
class Planned:
    """A stage of a plan. state: done, stale (an older artefact exists, `why` says what changed) or todo."""

    stage: Stage
    key: str
    state: str
    why: str
    settings: BaseModel
    parents: dict[str, str]
    external: list[dict[str, Any]]


def stage_key(stage: Stage, settings: BaseModel, parents: Mapping[str, str], external: Sequence[Mapping[str, Any]]) -> str:
    """16 hex digits over everything that can change the stage's bytes, and nothing else."""
    content = [stage.name, stage.version, settings.model_dump(mode="json"), dict(parents), list(external)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def make_plan(recipe: Recipe, stages: Sequence[Stage], store: Store, until: str | None = None) -> list[Planned]:
    """For every stage in order: its key and whether its artefact exists. Runs nothing.

    Raises RequestError where an external input is missing.
    """
    keys: dict[str, str] = {}
    plan: list[Planned] = []
    for stage in stages:
        settings = getattr(recipe, stage.section)
        parents = {need: keys[need] for need in stage.needs}
        external = [file for pattern in stage.external(settings) for file in expand(pattern)]
        external += [listed for name in stage.root_lists if (listed := root_list(store.root, name))]
        key = keys[stage.name] = stage_key(stage, settings, parents, external)
        if store.artefact(stage.name, key):
            state, why = "done", ""
        elif earlier := store.artefacts(stage.name):
            state, why = "stale", what_changed(earlier[-1], stage, settings, parents, external)
        else:
            state, why = "todo", ""
        plan.append(Planned(stage, key, state, why, settings, parents, external))
        if until in (stage.name, stage.section):
            break
    return plan


def what_changed(
    earlier: Artefact, stage: Stage, settings: BaseModel, parents: Mapping[str, str], external: Sequence[Mapping[str, Any]]
) -> str:
    """Why the newest artefact of a stage no longer answers the recipe, in a few words."""
    before, now = earlier.manifest["settings"], settings.model_dump(mode="json")
    reasons = [
        f"{stage.section}.{name}: {short(before.get(name))} -> {short(now.get(name))}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    if earlier.manifest["version"] != stage.version:
        reasons.append(f"code version {earlier.manifest['version']} -> {stage.version}")
    before_files, before_lists = inputs_and_lists(earlier.manifest["external"])
    files, lists = inputs_and_lists(external)
    if before_files != files:
        reasons.append("input files changed")
    reasons += [
        f"{name} {before_lists.get(name, {}).get('entries', 0)} -> {lists.get(name, {}).get('entries', 0)} entries"
        for name in sorted({*before_lists, *lists})
        if before_lists.get(name) != lists.get(name)
    ]
    if not reasons:
        reasons = [f"{name} changed" for name in parents if earlier.manifest["parents"].get(name) != parents[name]]
    return "; ".join(reasons)


def inputs_and_lists(external: Sequence[Mapping[str, Any]]) -> tuple[list[Any], dict[str, Any]]:
    return [each for each in external if "entries" not in each], {each["uri"]: each for each in external if "entries" in each}


def short(value: Any, width: int = 40) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= width else text[: width - 1] + "…"
