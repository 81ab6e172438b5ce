"""A run under way: from a plan to committed artefacts and a report."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.text import Text

from cluster import temporary
from cluster.errors import FULL_DISK, RequestError, WorkError
from cluster.fields import publishable
from cluster.holder import Held
from cluster.line import Line
from cluster.lock import lock_root
from cluster.logs import kept_in, logs_directory
from cluster.memory import PeakMemory
from cluster.plan import Planned, room_to_do, seen_again, stage_values
from cluster.recipe import Recipe
from cluster.report.blocks import Table
from cluster.resources import shortages
from cluster.runs import LATEST, RunRecord, recorded, refs
from cluster.session import Session, open_session
from cluster.stage import Context
from cluster.store import WORK, Artefact, Location, Manifest, Store
from cluster.terminal import err
from cluster.track.console import JsonConsole, RunConsole, noise_to
from cluster.track.events import Track
from cluster.track.tracking import Tracking
from cluster.verify import refuse_changed
from cluster.versions import commit, versions


@dataclass(frozen=True)
class Run:
    """What a run makes and where, with what it works, whom it tells. logs: local directory for the noise of engines."""

    recipe: Recipe
    store: Store
    session: Session
    console: RunConsole | JsonConsole
    logs: Path


@contextlib.contextmanager
def running(
    recipe: Recipe,
    store: Store,
    name: str,
    writing: bool = True,
    descriptor: int = 1,
    voice: Callable[[Console], RunConsole | JsonConsole] = RunConsole,
) -> Iterator[Run]:
    """A console for people while engines' noise goes to a log; at the end, also after Ctrl-C, the session stops.

    name: of the directory of logs. writing: refuse a root that cannot be written. descriptor: as in `noise_to`.
    voice: how the run tells of itself.
    Raises RequestError, before anything starts, where cluster or root cannot be reached.
    """
    session = open_session(recipe.cluster, store.root)
    session.check()
    store.check(writing)
    logs = logs_directory(store.root, name)
    log = logs / "driver.log"
    try:
        with kept_in(store.root, logs) if writing else contextlib.nullcontext(), noise_to(log, descriptor) as terminal:
            try:
                yield Run(recipe, store, session, voice(terminal), logs)
            except (WorkError, RequestError):
                session.keep_logs = True
                raise
            finally:
                with undisturbed():
                    session.stop()
    except WorkError:
        kept = f", {session.logs} (for {temporary.KEEP_DAYS} days)" if session.logs else ""
        err.print(f"pageloom: what the engines said: {log}{kept}", soft_wrap=True)
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


@dataclass(frozen=True)
class Wish:
    """What of a line is to be made, by names of stages. until: the last. start: what is before it must be there already.
    force: what is made anew although it is there, with all that comes of it. wait: for another run that holds the root.
    """

    until: str | None = None
    start: str | None = None
    force: tuple[str, ...] = ()
    wait: bool = False

    def check(self, line: Line) -> None:
        """Raises RequestError for a stage that there is not."""
        for asked, name in (("--until", self.until), ("--from", self.start), *(("--force", name) for name in self.force)):
            if name:
                line.stage(name, asked)


def bring_up_to(line: Line, wish: Wish, run: Run) -> dict[str, Artefact]:
    """Hold the root, make what the recipe's artefacts still lack, write the report."""
    wish.check(line)
    with lock_root(run.store.root, wish.wait, run.console.print) as held:
        plan = line.plan(run.recipe, run.store, wish.until)
        if wish.start:
            refuse_unfinished(plan, line.stage(wish.start, "--from").name)
        if wish.force:
            plan = anew(plan, {line.stage(name, "--force").name for name in wish.force}, run.store)
        done = sum(planned.state == "done" for planned in plan)
        run.console.print(heading(run.recipe.name, run.store.root, f"{done} of {len(plan)} stages already done"))
        with recorded(run.recipe, plan, run.store, held) as record:
            artefacts = run_plan(plan, run, held, record)
            held.check()
            write_report(run.recipe.name, artefacts.values(), run.store)
    return artefacts


def heading(name: str, root: Location, state: str) -> Text:
    """What a run opens with."""
    return Text.assemble((f"pageloom {name}", "bold"), f" → {root}   {state}")


def refuse_unfinished(plan: Sequence[Planned], start: str) -> None:
    """Raises RequestError where something before `start` would have to be made."""
    for planned in plan:
        if planned.stage.name == start:
            return
        if planned.state != "done":
            why = f" ({planned.why})" if planned.why else ""
            raise RequestError(f"--from {start}: {planned.stage.name} before it is {planned.state}{why}; run without --from")
    raise RequestError(f"--from {start}: it comes after --until; name an earlier stage")


def anew(plan: Sequence[Planned], forced: set[str], store: Store) -> list[Planned]:
    """The plan with some stages, and what comes of them, to be made again: their artefacts leave the root, the last first.

    Raises RequestError where a ref other than `latest`, which follows the run, names one of them.
    """
    affected, changed = set(forced), []
    for planned in plan:
        if affected & {planned.stage.name, *planned.stage.needs}:
            affected.add(planned.stage.name)
            planned = replace(planned, state="todo", why="forced")
        changed.append(planned)
    gone = {(planned.stage.name, planned.key) for planned in changed if planned.why == "forced"}
    for name, ref in refs(store.root).items():
        if name != LATEST and (ref["stage"], ref["key"]) in gone:
            raise RequestError(
                f"--force: the release that `{name}` names would go; let {name} name another, or choose another --root"
            )
    for planned in reversed(changed):
        if planned.why == "forced":
            store.discard(planned.stage.name, planned.key)
    return changed


def write_report(name: str, artefacts: Iterable[Artefact | None], store: Store) -> str:
    """Draw ROOT/report.html from what artefacts tell of themselves; returns its place."""
    from cluster.report.render import render

    found = [artefact for artefact in artefacts if artefact]
    if not found:
        raise RequestError(f"{store.root}: no finished stage to report on yet; `pageloom run` makes some")
    place = store.root / "report.html"
    place.write_bytes(render(name, [artefact.manifest for artefact in found]).encode())
    return str(place)


def run_plan(plan: Sequence[Planned], run: Run, held: Held, record: RunRecord | None = None) -> dict[str, Artefact]:
    """Bring every stage of the plan to a committed artefact; returns them by stage name.

    held: the root's lock. record: of the run, by whose id W&B groups its stages; without one by the name of its logs.
    Raises RequestError or WorkError in one line; what was committed before stays.
    """
    if lines := shortages(room_to_do(plan, run.recipe), run.session.nodes()):
        raise RequestError(lines[0])
    if run.session.memory_of == "driver":
        run.console.print(f"works on {run.session.place}; memory that is shown is the driver's alone")
    artefacts: dict[str, Artefact] = {}
    group = record.id if record else run.logs.name
    tracking = Tracking(run.recipe.tracking, run.recipe.name, run.store.root, group, run.console, run.logs)
    if record:
        record.wandb = tracking.ids
    with tracking, PeakMemory() as memory:
        for planned in plan:
            if found := run.store.artefact(planned.stage.name, planned.key):
                run.store.tidy(found, held.fence)
                run.console.reused(planned.stage.name, planned.key)
            else:
                with words_for_people(planned.stage.name, run.store.root, run.logs):
                    found = run_stage(planned, run, artefacts, memory, tracking, held)
            artefacts[planned.stage.name] = found
    return artefacts


def run_stage(
    planned: Planned, run: Run, artefacts: dict[str, Artefact], memory: PeakMemory, tracking: Tracking, held: Held
) -> Artefact:
    """Run one stage in its attempt directory and commit it."""
    stage, started = planned.stage, time.time()
    console, store = run.console, run.store
    console.begin(stage.name)
    try:
        seen_again(planned, store.root)
        memory.take()
        inputs = {need: artefacts[need] for need in stage.needs}
        for artefact in inputs.values():
            refuse_changed(artefact)
        mailbox = run.session.start()
        output = store.attempt(stage.name, planned.key, held.fence)
        run.logs.mkdir(parents=True, exist_ok=True)
        context = Context(
            settings=planned.settings,
            cluster=run.recipe.cluster,
            inputs=inputs,
            external=planned.external,
            output=output,
            work=output / WORK,
            track=Track(stage.name, mailbox),
            logs=str(run.logs),
            root=store.root,
        )
        console.detail(f"{stage.name} {planned.key} → {output}   logs {run.logs}")
        with tracking.stage(stage.name, planned.key, publishable(planned.settings), mailbox, output) as recorder:
            stage.function(context)
        recorder.commit()
        if recorder.faults:
            context.tell(Table(title="Tracking", columns=["what did not work"], rows=[[each] for each in recorder.faults]))
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
                values=stage_values(stage, run.recipe),
                versions=versions(),
                commit=commit(),
                pageloom=metadata.version("pageloom"),
                started=started,
                seconds=seconds,
                work_seconds=min(work, seconds),
                peak_memory_bytes=peak,
                peak_memory_of=run.session.memory_of,
                host=socket.gethostname(),
                counts=context.counts,
                report=[block.model_dump() for block in context.blocks],
            ),
            held.check,
        )
    except BaseException:
        console.fail(stage.name)
        tracking.failure(stage.name)
        raise
    if artefact.location != output:
        console.print(f"{stage.name}: another run committed it first ({artefact.location}); that one is used")
    tracking.made(artefact, list(context.inputs.values()))
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
