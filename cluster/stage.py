"""What a stage is, and what it holds while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from cluster.report.blocks import Block
from cluster.resources import Bundle
from cluster.store import Artefact, Location
from cluster.track.events import Track

if TYPE_CHECKING:
    from cluster.settings import ClusterSettings


def no_external_inputs(_: Any) -> list[str]:
    return []


def nothing_else(_: Any) -> Mapping[str, Any]:
    return {}


def no_room(_: Any) -> Sequence[Bundle]:
    return ()


@dataclass(frozen=True)
class Stage:
    """One step of the line. Its artefact is named `name`, its settings are the recipe's `section`.

    run: where its function is, as "package.module:name"; called with a Context.
    needs: names of the stages whose artefacts it reads.
    version: changes whenever the same settings and inputs would give other bytes.
    external: the paths, globs or URIs that its settings name; their files enter the key.
    depends: what of the rest of a recipe can change its bytes, by dotted name, without what is as usual.
    placed: where its external files are is part of what it makes; else they enter the key by name and content alone.
    root_lists: directories under the root to which users add a file at a time (pages to forget); the names of the files
        enter the key, so a name must follow from the content. An empty one changes nothing.
    needs_room: what it books of a cluster at the same time, of a whole recipe; nothing for work in the driver.
    deterministic: the same key always gives the same bytes (not so for crawling or sampling).
    """

    name: str
    section: str
    settings: type[BaseModel]
    version: str
    run: str
    needs: tuple[str, ...] = ()
    external: Callable[[Any], list[str]] = no_external_inputs
    root_lists: tuple[str, ...] = ()
    depends: Callable[[Any], Mapping[str, Any]] = nothing_else
    placed: bool = False
    needs_room: Callable[[Any], Sequence[Bundle]] = no_room
    deterministic: bool = True

    @property
    def function(self) -> Callable[[Context], None]:
        """What `run` names. Imported when it is asked for: a plan needs no engine."""
        module, _, name = self.run.partition(":")
        return getattr(import_module(module), name)


@dataclass
class Context:
    """What a running stage holds: its settings, its inputs, where to write, how to report.

    output: the attempt's directory; every file put there (except below `work`) becomes the artefact.
    work: for state that a later attempt resumes from (checkpoints); gone once the artefact is committed.
    external: the files its settings name: [{uri, bytes, modified}], and its root lists: [{uri, entries, digest}].
    track: metrics, progress and working time; picklable, so workers may call it too.
    logs: local directory for the noise of engines. root: where its root lists are.
    """

    settings: Any
    cluster: ClusterSettings
    inputs: Mapping[str, Artefact]
    external: list[dict[str, Any]]
    output: Location
    work: Location
    track: Track
    logs: str
    root: Location
    counts: dict[str, Any] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def count(self, **values: Any) -> None:
        """Put figures into the artefact's `counts`."""
        self.counts.update(values)

    def tell(self, *blocks: Block) -> None:
        """Add pictures and tables to this stage's part of the report."""
        self.blocks.extend(blocks)
