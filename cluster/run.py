"""A run under way: from a plan to committed artefacts and a report."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.text import Text

from cluster.errors import FULL_DISK, RequestError, WorkError
from cluster.line import Line
from cluster.lock import lock_root
from cluster.memory import PeakMemory
from cluster.plan import Planned
from cluster.recipe import Recipe
from cluster.session import Session
from cluster.stage import Context
from cluster.store import WORK, Artefact, Location, Manifest, Store
from cluster.terminal import err
from cluster.track.console import RunConsole, noise_to
from cluster.track.events import Track
from cluster.track.history import Recorder
from cluster.track.wandb import WandbRun


@dataclass(frozen=True)
class Run:
    """What a run makes and where, with what it works, whom it tells. logs: local directory for the noise of engines."""

    recipe: Recipe
    store: Store
    session: Session
    console: RunConsole
    logs: Path


@contextlib.contextmanager
def running(recipe: Recipe, store: Store, name: str, writing: bool = True, descriptor: int = 1) -> Iterator[Run]:
    """A console for people while engines' noise goes to a log; at the end, also after Ctrl-C, the session stops.

    name: of the directory of logs. writing: refuse a root that cannot be written. descriptor: as in `noise_to`.
    Raises RequestError, before anything starts, where cluster or root cannot be reached.
    """
    session = Session(recipe.cluster)
    session.check()
    store.check(writing)
    logs = logs_directory(store.root, name)
    log = logs / "driver.log"
    try:
        with noise_to(log, descriptor) as terminal:
            try:
                yield Run(recipe, store, session, RunConsole(terminal), logs)
            except (WorkError, RequestError):
                session.keep_logs = True
                raise
            finally:
                with undisturbed():
                    session.stop()
    except WorkError:
        err.print(f"pageloom: what the engines said: {log}, {session.temporary}", soft_wrap=True)
        raise


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not leave processes behind. Threads other than the main one hear none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def logs_directory(root: Location, name: str) -> Path:
    """Where a run's noise goes: beside a local root's artefacts, else in the user's cache. Always local."""
    base = Path(root.path) if root.is_local else Path.home() / ".cache" / "pageloom" / name
    return base / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"


def bring_up_to(line: Line, until: str | None, run: Run, wait: bool = False) -> dict[str, Artefact]:
    """Hold the root, make what the recipe's artefacts up to `until` still lack, write the report."""
    with lock_root(run.store.root, wait):
        plan = line.plan(run.recipe, run.store, until)
        done = sum(planned.state == "done" for planned in plan)
        run.console.print(heading(run.recipe.name, run.store.root, f"{done} of {len(plan)} stages already done"))
        artefacts = run_plan(plan, run)
        write_report(run.recipe, run.store, plan)
    return artefacts


def heading(name: str, root: Location, state: str) -> Text:
    """What a run opens with."""
    return Text.assemble((f"pageloom {name}", "bold"), f" → {root}   {state}")


def write_report(recipe: Recipe, store: Store, planned: Sequence[Planned]) -> str:
    """Draw ROOT/report.html from what artefacts tell of themselves; returns its place."""
    from cluster.report.render import render

    found = [artefact for each in planned if (artefact := store.artefact(each.stage.name, each.key))]
    if not found:
        raise RequestError(f"{store.root}: no finished stage to report on yet; `pageloom run` makes some")
    place = store.root / "report.html"
    place.write_bytes(render(recipe.name, [artefact.manifest for artefact in found]).encode())
    return str(place)


def run_plan(plan: Sequence[Planned], run: Run) -> dict[str, Artefact]:
    """Bring every stage of the plan to a committed artefact; returns them by stage name.

    Raises RequestError or WorkError in one line; what was committed before stays.
    """
    artefacts: dict[str, Artefact] = {}
    wandb_run = WandbRun(run.recipe.tracking, run.recipe.name, run.logs)
    try:
        with PeakMemory() as memory:
            for planned in plan:
                if found := run.store.artefact(planned.stage.name, planned.key):
                    run.console.reused(planned.stage.name, planned.key)
                else:
                    with words_for_people(planned.stage.name, run.store.root, run.logs):
                        found = run_stage(planned, run, artefacts, memory, wandb_run)
                artefacts[planned.stage.name] = found
    finally:
        wandb_run.finish()
    return artefacts


def run_stage(planned: Planned, run: Run, artefacts: dict[str, Artefact], memory: PeakMemory, wandb_run: Any) -> Artefact:
    """Run one stage in its attempt directory and commit it."""
    stage, started = planned.stage, time.time()
    console, store = run.console, run.store
    console.begin(stage.name)
    try:
        memory.take()
        mailbox = run.session.start()
        output = store.attempt(stage.name, planned.key)
        run.logs.mkdir(parents=True, exist_ok=True)
        context = Context(
            settings=planned.settings,
            cluster=run.recipe.cluster,
            inputs={need: artefacts[need] for need in stage.needs},
            external=planned.external,
            output=output,
            work=output / WORK,
            track=Track(stage.name, mailbox),
            logs=str(run.logs),
        )
        with Recorder(stage.name, mailbox, output, console.event, wandb_run) as recorder:
            stage.function(context)
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
