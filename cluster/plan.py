"""How the key of a stage follows from what it depends on, and what would run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from cluster.errors import RequestError, WorkError
from cluster.fields import key_values
from cluster.inputs import identified, identity, root_list
from cluster.recipe import Recipe
from cluster.resources import Bundle
from cluster.stage import Stage
from cluster.store import Artefact, Location, Store
from cluster.versions import differences


@dataclass(frozen=True)
class Planned:
    """A stage of a plan. state: done, stale (an older artefact exists, `why` says what changed) or todo.

    note: what is worth knowing of a stage that is done: other versions made it, its input files are gone.
    """

    stage: Stage
    key: str
    state: str
    why: str
    settings: BaseModel
    parents: dict[str, str]
    external: list[dict[str, Any]]
    note: str = ""


def stage_key(
    stage: Stage, values: Mapping[str, Any], parents: Mapping[str, str], files: Sequence[Any], lists: Sequence[Any]
) -> str:
    """16 hex digits over everything that can change the stage's bytes, and nothing else.

    values: as `stage_values` gives them. files: for each pattern that the settings name, the identities of its files.
    """
    content = [stage.name, stage.version, dict(values), dict(parents), list(files), list(lists)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def stage_values(stage: Stage, recipe: Recipe) -> dict[str, Any]:
    """What of a recipe enters a stage's key: of its own section what is not as usual, and what else it depends on."""
    return key_values(getattr(recipe, stage.section)) | dict(stage.depends(recipe))


def make_plan(
    recipe: Recipe, stages: Sequence[Stage], store: Store, until: str | None = None, known: Mapping[str, str] | None = None
) -> list[Planned]:
    """For every stage in order: its key and whether its artefact exists. Runs nothing.

    known: keys of an earlier run by stage, which stand for input files that are gone. Raises RequestError where an external
    input is missing and no earlier run has read it with these settings.
    """
    keys: dict[str, str] = {}
    plan: list[Planned] = []
    for stage in stages:
        planned = plan_stage(stage, recipe, store, keys, (known or {}).get(stage.name))
        keys[stage.name] = planned.key
        plan.append(planned)
        if until in (stage.name, stage.section):
            break
    return plan


def room_to_do(plan: Sequence[Planned], recipe: Recipe) -> dict[str, Sequence[Bundle]]:
    """What the stages that would run book of a cluster, each by itself, as they run one after the other."""
    return {each.stage.name: each.stage.needs_room(recipe) for each in plan if each.state != "done"}


def plan_stage(stage: Stage, recipe: Recipe, store: Store, keys: Mapping[str, str], known: str | None) -> Planned:
    """keys: those of the stages before. known: the key that an earlier run had for this one."""
    settings, values = getattr(recipe, stage.section), stage_values(stage, recipe)
    parents = {need: keys[need] for need in stage.needs}
    lists = [listed for name in stage.root_lists if (listed := root_list(store.root, name))]
    try:
        groups = [identified(pattern, besides=store.root) for pattern in stage.external(settings)]
    except RequestError as gone:
        made = store.artefact(stage.name, known) if known else None
        if made is None or made.manifest["values"] != values or made.manifest["parents"] != parents:
            raise
        said = str(gone).partition(";")[0]
        return Planned(stage, made.key, "done", "", settings, parents, list(made.manifest["external"]), f"{said} any more")
    files = [[identity(file, stage.placed) for file in group] for group in groups]
    external = [file for group in groups for file in group] + lists
    key = stage_key(stage, values, parents, files, lists)
    if found := store.artefact(stage.name, key):
        note = differences(found.manifest.get("versions", {}), found.manifest.get("commit"))
        return Planned(stage, key, "done", "", settings, parents, external, note)
    planned = Planned(stage, key, "todo", "", settings, parents, external)
    earlier = store.artefacts(stage.name)
    return replace(planned, state="stale", why=what_changed(earlier[-1], planned, values)) if earlier else planned


def seen_again(planned: Planned, root: Location) -> None:
    """Look at a stage's input files once more, when it starts. Raises WorkError where they are others than its key says."""
    stage = planned.stage
    files = [file for pattern in stage.external(planned.settings) for file in identified(pattern, besides=root)]
    now = [identity(file, stage.placed) for file in files]
    for before in inputs_and_lists(planned.external)[0]:
        if identity(before, stage.placed) not in now:
            raise WorkError(f"{stage.name}: {before['uri']} changed after this run had begun; run again, and its key follows")
    if len(now) != len(inputs_and_lists(planned.external)[0]):
        raise WorkError(f"{stage.name}: there are more input files than when this run began; run again, and its key follows")


def what_changed(earlier: Artefact, now: Planned, values: Mapping[str, Any]) -> str:
    """Why the newest artefact of a stage no longer answers the recipe, in a few words. values: what of it enters the key."""
    stage, made = now.stage, earlier.manifest
    before, after = flat(made["values"]), flat(values)
    shown_before, shown_after = flat(made["settings"]), flat(now.settings.model_dump(mode="json"))
    reasons = []
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            old, new = (
                short(shown.get(name, keyed.get(name, USUAL)))
                for shown, keyed in ((shown_before, before), (shown_after, after))
            )
            reasons.append(f"{name if name.startswith('cluster.') else f'{stage.section}.{name}'}: {old} -> {new}")
    if made["version"] != stage.version:
        reasons.append(f"code version {made['version']} -> {stage.version}")
    before_files, before_lists = inputs_and_lists(made["external"])
    files, lists = inputs_and_lists(now.external)
    if [identity(file, stage.placed) for file in before_files] != [identity(file, stage.placed) for file in files]:
        reasons.append("input files changed")
    reasons += [
        f"{name} {before_lists.get(name, {}).get('entries', 0)} -> {lists.get(name, {}).get('entries', 0)} entries"
        for name in sorted({*before_lists, *lists})
        if before_lists.get(name) != lists.get(name)
    ]
    if not reasons:
        reasons = [f"{name} changed" for name in now.parents if made["parents"].get(name) != now.parents[name]]
    return "; ".join(reasons)


USUAL = "the usual"  # of what a recipe's other sections say, where it is as in every recipe


def flat(values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Nested values by dotted name."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{path}{name}.") if isinstance(value, Mapping) else {path + name: value}
    return found


def inputs_and_lists(external: Sequence[Mapping[str, Any]]) -> tuple[list[Any], dict[str, Any]]:
    return [each for each in external if "entries" not in each], {each["uri"]: each for each in external if "entries" in each}


def short(value: Any, width: int = 40) -> str:
    text = value if value == USUAL else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= width else text[: width - 1] + "…"
