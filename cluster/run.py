"""Walk the plan: run each stage that is not done, commit it, go on."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import traceback
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from cluster.errors import FULL_DISK, RequestError, WorkError
from cluster.memory import PeakMemory
from cluster.plan import Planned
from cluster.recipe import Recipe
from cluster.session import Session
from cluster.stage import Context
from cluster.store import WORK, Artefact, Location, Manifest, Store
from cluster.track.console import RunConsole
from cluster.track.events import Track
from cluster.track.history import Recorder
from cluster.track.wandb import WandbRun


def logs_directory(root: Location, name: str) -> Path:
    """Where this run's noise goes: beside a local root's artefacts, else in the user's cache. Always local."""
    base = Path(root.path) if root.is_local else Path.home() / ".cache" / "pageloom" / name
    return base / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"


def run_plan(
    plan: Sequence[Planned], recipe: Recipe, store: Store, session: Session, console: RunConsole, logs: Path
) -> dict[str, Artefact]:
    """Bring every stage of the plan to a committed artefact; returns them by stage name.

    Raises RequestError or WorkError in one line; what was committed before stays.
    """
    artefacts: dict[str, Artefact] = {}
    wandb_run = WandbRun(recipe.tracking, recipe.name, logs)
    try:
        with PeakMemory() as memory:
            for planned in plan:
                if found := store.artefact(planned.stage.name, planned.key):
                    console.reused(planned.stage.name, planned.key)
                else:
                    with words_for_people(planned.stage.name, store.root, logs):
                        found = run_stage(planned, recipe.cluster, artefacts, store, session, console, logs, memory, wandb_run)
                artefacts[planned.stage.name] = found
    finally:
        wandb_run.finish()
    return artefacts


def run_stage(
    planned: Planned,
    cluster: Any,
    artefacts: dict[str, Artefact],
    store: Store,
    session: Session,
    console: RunConsole,
    logs: Path,
    memory: PeakMemory,
    wandb_run: Any,
) -> Artefact:
    """Run one stage in its attempt directory and commit it."""
    stage, started = planned.stage, time.time()
    console.begin(stage.name)
    try:
        memory.take()
        mailbox = session.start()
        output = store.attempt(stage.name, planned.key)
        logs.mkdir(parents=True, exist_ok=True)
        context = Context(
            settings=planned.settings,
            cluster=cluster,
            inputs={need: artefacts[need] for need in stage.needs},
            external=planned.external,
            output=output,
            work=output / WORK,
            track=Track(stage.name, mailbox),
            logs=str(logs),
        )
        with Recorder(stage.name, mailbox, output, console.event, wandb_run) as recorder:
            stage.run(context)
        recorder.commit()
        seconds, work = time.time() - started, recorder.work_seconds()
        peak = memory.take()
        artefact = store.commit(
            output,
            Manifest(
                stage=stage.name,
                key=planned.key,
                settings=planned.settings.model_dump(mode="json"),
                parents=planned.parents,
                external=planned.external,
                version=stage.version,
                pageloom=metadata.version("pageloom"),
                started=started,
                seconds=seconds,
                work_seconds=min(work, seconds),
                peak_memory_bytes=peak,
                host=socket.gethostname(),
                counts=context.counts,
                report=[block.model_dump() for block in context.blocks],
            ),
        )
    except BaseException:
        console.fail(stage.name)
        raise
    console.end(stage.name, seconds, max(0.0, 1 - work / seconds), peak)
    return artefact


@contextlib.contextmanager
def words_for_people(stage: str, root: Location, logs: Path) -> Iterator[None]:
    """Turn whatever a stage raises into one line; the traceback goes to the run's log."""
    try:
        yield
    except (RequestError, WorkError):
        raise
    except Exception as error:
        for cause in causes(error):
            if isinstance(cause, (RequestError, WorkError)):
                raise cause from error
            if isinstance(cause, OSError) and cause.errno in FULL_DISK:
                raise WorkError(
                    f"{stage}: no space left on the disk of {root}; free some or choose another --root, "
                    "then run again: finished stages stay"
                ) from error
        log = logs / f"{stage}.traceback.log"
        with contextlib.suppress(OSError):  # a full disk must not hide the error itself
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(traceback.format_exc())
        last = [line for line in str(error).strip().splitlines() if line.strip()] or [""]
        raise WorkError(f"{stage}: {type(error).__name__}: {last[-1].strip()[:300]}; traceback in {log}") from error


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and what Ray or Python says it came from."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        pending += [each.__cause__, each.__context__, getattr(each, "cause", None)]
        pending += list(getattr(each, "worker_failures", {}).values())
