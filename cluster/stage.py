"""What a stage is, how its key follows from what it depends on, and what a plan says of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from cluster.report import Block
from cluster.store import Artefact, Location, Store, expand
from cluster.tracking import Track

if TYPE_CHECKING:
    from cluster.recipe import ClusterSettings, Recipe


def no_external_inputs(_: Any) -> list[str]:
    return []


@dataclass(frozen=True)
class Stage:
    """One step of the line. Its artefact is named `name`, its settings are the recipe's `section`.

    needs: names of the stages whose artefacts it reads.
    version: changes whenever the same settings and inputs would give other bytes.
    external: the paths, globs or URIs that its settings name; their files enter the key.
    root_lists: directories under the root to which users add a file at a time (pages to forget); the names of the files
        enter the key, so a name must follow from the content. An empty one changes nothing.
    deterministic: the same key always gives the same bytes (not so for crawling or sampling).
    """

    name: str
    section: str
    settings: type[BaseModel]
    version: str
    run: Callable[[Context], None]
    needs: tuple[str, ...] = ()
    external: Callable[[Any], list[str]] = no_external_inputs
    root_lists: tuple[str, ...] = ()
    deterministic: bool = True


@dataclass
class Context:
    """What a running stage holds: its settings, its inputs, where to write, how to report.

    output: the attempt's directory; every file put there (except below `work`) becomes the artefact.
    work: for state that a later attempt resumes from (checkpoints); gone once the artefact is committed.
    external: the files its settings name: [{uri, bytes, modified}], and its root lists: [{uri, entries, digest}].
    track: metrics, progress and working time; picklable, so workers may call it too.
    logs: local directory for the noise of engines.
    """

    settings: Any
    cluster: ClusterSettings
    inputs: Mapping[str, Artefact]
    external: list[dict[str, Any]]
    output: Location
    work: Location
    track: Track
    logs: str
    counts: dict[str, Any] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    @property
    def root(self) -> Location:
        """Where the stage's root lists are: the output is ROOT/<stage>/<key>."""
        return Location(self.output.filesystem, self.output.path.rsplit("/", 2)[0])

    def count(self, **values: Any) -> None:
        """Put figures into the artefact's `counts`."""
        self.counts.update(values)

    def tell(self, *blocks: Block) -> None:
        """Add pictures and tables to this stage's part of the report."""
        self.blocks.extend(blocks)


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


def root_list(root: Location, name: str) -> dict[str, Any] | None:
    """What enters a key of the list ROOT/<name>/, None while it is empty. Reads names only: thousands are one listing."""
    names = [each for each in (root / name).files() if not each.startswith(".")]
    if not names:
        return None
    return {"uri": f"{name}/", "entries": len(names), "digest": hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]}


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
