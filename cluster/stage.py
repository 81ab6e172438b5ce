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
    deterministic: the same key always gives the same bytes (not so for crawling or sampling).
    """

    name: str
    section: str
    settings: type[BaseModel]
    version: str
    run: Callable[[Context], None]
    needs: tuple[str, ...] = ()
    external: Callable[[Any], list[str]] = no_external_inputs
    deterministic: bool = True


@dataclass
class Context:
    """What a running stage holds: its settings, its inputs, where to write, how to report.

    output: the attempt's directory; every file put there (except below `work`) becomes the artefact.
    work: for state that a later attempt resumes from (checkpoints); gone once the artefact is committed.
    external: the files its settings name: [{uri, bytes, modified}].
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
    if earlier.manifest["external"] != list(external):
        reasons.append("input files changed")
    if not reasons:
        reasons = [f"{name} changed" for name in parents if earlier.manifest["parents"].get(name) != parents[name]]
    return "; ".join(reasons)


def short(value: Any, width: int = 40) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= width else text[: width - 1] + "…"
