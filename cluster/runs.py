"""What a root remembers of its runs, and the names that it gives to releases.

ROOT/runs/ID.json is written when a run starts and once more when it ends, by that run alone. ROOT/refs/NAME.json names a
release. Whoever looks at a root later needs neither the recipe nor the flags nor the input files of the day.
"""

from __future__ import annotations

import json
import secrets
import shlex
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import BaseModel, Field

from cluster.conditional import Taken, move
from cluster.errors import RequestError, WorkError, first_line
from cluster.holder import Held
from cluster.plan import Planned, flat
from cluster.recipe import Recipe
from cluster.store import Artefact, Location, Store
from cluster.versions import commit, versions

RUNS, REFS = "runs", "refs"
LATEST = "latest"  # the ref that every run moves to its release


class RunRecord(BaseModel):
    """A run. stages: the key of each stage that it was to make. message: the line that it ended with, where it failed.

    settings: `--set` and what other options stand for. commit: with `+changes` where the checkout was not clean; None where
    the code is no checkout. wandb: ids of its W&B runs by stage.
    """

    id: str
    name: str
    recipe: dict[str, Any]
    source: str
    settings: list[str] = Field(default_factory=list)
    stages: dict[str, str]
    commit: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    host: str = ""
    started: float
    ended: float | None = None
    outcome: Literal["running", "done", "failed", "stopped"] = "running"
    message: str = ""
    wandb: dict[str, str] = Field(default_factory=dict)

    def again(self, *more: str) -> str:
        """The command that asks for the same once more, with further options."""
        sets = [word for setting in self.settings for word in ("--set", setting)]
        return shlex.join(["pageloom", "run", self.source or self.name, *sets, *more])

    def said_outcome(self, held: bool) -> str:
        """Its outcome for people. held: whether anybody writes to the root; a killed run could not say how it ended."""
        return "ended without a word" if self.outcome == "running" and not held else self.outcome

    def seconds(self) -> float:
        return (self.ended or time.time()) - self.started


def new_id() -> str:
    """Sorts by the time (UTC, to the millisecond) at which a run began; unique without asking anybody."""
    now = time.time()
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}{int(now % 1 * 1000):03d}-{secrets.token_hex(2)}"


@contextmanager
def recorded(recipe: Recipe, plan: Sequence[Planned], store: Store, held: Held) -> Iterator[RunRecord]:
    """Keep a record of what happens inside: done, failed with its line, or stopped. held: the root's lock."""
    record = RunRecord(
        id=new_id(),
        name=recipe.name,
        recipe=recipe.model_dump(mode="json"),
        source=recipe.source,
        settings=list(recipe.settings),
        stages={planned.stage.name: planned.key for planned in plan},
        commit=commit(),
        versions=versions(),
        host=socket.gethostname(),
        started=time.time(),
    )
    write(record, store.root)
    try:
        yield record
        if "release" in record.stages:
            write_ref(store.root, LATEST, record.stages["release"], record.id, held)
        record.outcome = "done"
    except KeyboardInterrupt:  # also what stops a run that has lost the root
        try:
            held.check()
            record.outcome = "stopped"
        except WorkError as lost:
            record.outcome, record.message = "failed", str(lost)
        raise
    except Exception as error:
        record.outcome, record.message = "failed", str(error)
        raise
    finally:
        record.ended = time.time()
        write(record, store.root)


def write(record: RunRecord, root: Location) -> None:
    (root / RUNS / f"{record.id}.json").write_json(record.model_dump(mode="json"))


def run_ids(root: Location) -> list[str]:
    """Oldest first."""
    return [name.removesuffix(".json") for name in (root / RUNS).files() if name.endswith(".json") and not name.startswith(".")]


def read_run(root: Location, run: str) -> RunRecord:
    """A run by its id or by a beginning that only it has.

    Raises RequestError naming those there are, WorkError for a record that cannot be read.
    """
    there = run_ids(root)
    found = [each for each in there if each == run] or [each for each in there if each.startswith(run)]
    if len(found) != 1:
        said = f"begins {len(found)} of them" if found else f"there are {', '.join(there[-5:]) or 'none'}"
        raise RequestError(f"run {run}: no such run of {root}; {said}; `pageloom runs` lists them")
    place = root / RUNS / f"{found[0]}.json"
    try:
        return RunRecord.model_validate_json(place.read_bytes())
    except ValueError as error:
        raise WorkError(f"{place}: no record of a run ({first_line(error)}); correct it, or put back a copy") from error


def last_run(root: Location) -> RunRecord | None:
    """The newest run, whatever became of it."""
    there = run_ids(root)
    return read_run(root, there[-1]) if there else None


def write_ref(root: Location, name: str, key: str, run: str, held: Held) -> None:
    """Let a name stand for a release. Only the holder of the root moves refs. Raises WorkError where another run has it now."""
    place = root / REFS / f"{name}.json"
    try:
        move(place, json.dumps({"stage": "release", "key": key, "run": run}, indent=1).encode(), held.check)
    except Taken as error:
        raise WorkError(f"{place}: another run moved it meanwhile and so holds the root; run again") from error


def ref_names(root: Location) -> list[str]:
    return [name.removesuffix(".json") for name in (root / REFS).files() if name.endswith(".json") and not name.startswith(".")]


def refs(root: Location) -> dict[str, dict[str, str]]:
    """Every ref by its name: {stage, key, run}. Raises WorkError for one that cannot be read."""
    return {name: read_ref(root, name) for name in ref_names(root)}


def read_ref(root: Location, name: str) -> dict[str, str]:
    place = root / REFS / f"{name}.json"
    try:
        ref = place.read_json()
        if not (isinstance(ref, dict) and {"stage", "key"} <= ref.keys()):
            raise ValueError("stage and key are wanted")
    except ValueError as error:
        raise WorkError(f"{place}: names no release ({error}); correct or delete it") from error
    return ref


def named_release(store: Store, name: str) -> Artefact:
    """A release by ref, key or a beginning of its key. Raises RequestError naming those there are."""
    known = refs(store.root)
    wanted = known[name]["key"] if name in known else name
    there = store.artefacts("release")
    found = [each for each in there if each.key.startswith(wanted)] if wanted else []
    if len(found) != 1:
        names = ", ".join([*known, *(each.key for each in there)]) or "none yet"
        raise RequestError(f"--release {name}: no such release in {store.root}; there are {names}")
    return found[0]


def compared(one: RunRecord, other: RunRecord, store: Store) -> dict[str, dict[str, tuple[Any, Any]]]:
    """What differs between two runs: settings, inputs, versions, figures; by dotted name, (of the one, of the other)."""
    made = [artefacts_of(run, store) for run in (one, other)]
    stages = [name for name in one.stages if name in other.stages]
    figures: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    inputs: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for at, artefacts in enumerate(made):
        for name in stages:
            if artefact := artefacts.get(name):
                figures[at].update({f"{name}.{figure}": value for figure, value in flat(artefact.counts).items()})
                inputs[at].update({f"{name}: {each['uri']}": identity_of(each) for each in artefact.manifest["external"]})
    return {
        "settings": differing(flat(one.recipe), flat(other.recipe)),
        "inputs": differing(*inputs),
        "versions": differing(made_by(one), made_by(other)),
        "figures": differing(*figures),
    }


def made_by(run: RunRecord) -> dict[str, Any]:
    return {**run.versions, "commit": run.commit, "host": run.host}


def artefacts_of(run: RunRecord, store: Store) -> dict[str, Artefact | None]:
    """What a run made, by stage; None where it is not there (any more)."""
    return {name: store.artefact(name, key) for name, key in run.stages.items()}


def identity_of(file: Mapping[str, Any]) -> str:
    return str(file.get("digest") or file.get("modified"))


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (one.get(name), other.get(name)) for name in sorted({*one, *other}) if one.get(name) != other.get(name)}
