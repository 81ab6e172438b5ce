"""Numbered units of work through a pool of Ray Data actors, or one after the other, each ending in one committed shard."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from cluster.errors import FULL_DISK, RequestError, WorkError, first_line
from cluster.stage import Context
from cluster.store import Artefact, shard_records
from cluster.track.events import Track
from pipeline.room import WORKER_CPUS


class ShardWorker(Protocol):
    """What an actor of the pool can do: turn one unit into a committed shard (`cluster.store.write_shard`).

    One that has a method `set_aside(unit, why)` commits the shard of a unit that cannot be worked on, and says so in it.
    """

    def __call__(self, unit: dict[str, Any]) -> None: ...


ATTEMPTS = 2  # at a unit that raises: an object store's hiccup is over, an error in the work is not
STARTS = 3  # of a unit whose worker dies: once by chance, twice in a row by bad luck, then the unit is why
AGAIN = "finished shards stay, so run again once that is mended"


class Starts:
    """The actor that counts how often each unit was begun: a worker that dies takes its own memory of that along."""

    def __init__(self) -> None:
        self.begun = Counter[int]()

    def begin(self, shard: int) -> int:
        self.begun[shard] += 1
        return self.begun[shard]


class Timed:
    """The actor: builds the worker once, runs a unit a row, says when it worked and how many units there are."""

    def __init__(self, worker: type, arguments: Sequence[Any], track: Track, units: int, starts: Any) -> None:
        started = time.time()
        self.units, self.starts = units, starts
        self.work: ShardWorker = worker(*arguments)
        self.track = track
        self.track.worked(started, time.time())

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        import ray

        started = time.time()
        unit = json.loads(row["unit"])
        if ray.get(self.starts.begin.remote(unit["shard"])) <= STARTS:
            attempted(self.work, unit)
        else:
            give_up(self.work, unit)
        self.track.worked(started, time.time())
        self.track.part(self.units)
        return {"shard": unit["shard"]}


def attempted(work: ShardWorker, unit: dict[str, Any]) -> None:
    """Do a unit of work, at most ATTEMPTS times. Raises WorkError naming the shard and what went wrong."""
    for left in reversed(range(ATTEMPTS)):
        try:
            return work(unit)
        except (RequestError, WorkError):
            raise
        except Exception as error:
            if left:
                continue
            if isinstance(error, OSError) and error.errno in FULL_DISK:
                raise  # said better where the whole run is known
            raise WorkError(f"shard {unit['shard']}: {type(error).__name__}: {first_line(error)}; {AGAIN}") from error


def give_up(work: ShardWorker, unit: dict[str, Any]) -> None:
    """Set a unit aside that has ended its worker STARTS times. Raises WorkError where the worker has no way to."""
    why = f"its worker died {STARTS} times, as it does without memory or by a fault in a library"
    if not hasattr(work, "set_aside"):
        raise WorkError(f"shard {unit['shard']}: {why}; give a worker more memory, or fewer of them (cluster.data_workers)")
    work.set_aside(unit, why)


Records = dict[int, dict[str, Any]]
Run = Callable[..., Records]  # `run_shards` or `run_here`
FEW_BYTES = 50_000_000  # files that a cheap stage has read before a pool of actors, which takes 3 s, would have started


def run_by_size(inputs: Artefact) -> Run:
    """How a stage that takes little time for a byte of its input is run."""
    return run_here if sum(file["bytes"] for file in inputs.manifest["files"]) <= FEW_BYTES else run_shards


def run_here(ctx: Context, units: Sequence[dict[str, Any]], worker: type, *arguments: Any) -> Records:
    """What `run_shards` does, one unit after the other in this process."""
    done = shard_records(ctx.output)
    if todo := [unit for unit in units if unit["shard"] not in done]:
        began = time.time()
        work = worker(*arguments)
        for unit in todo:
            work(unit)
        ctx.track.worked(began, time.time())
    records = shard_records(ctx.output) if todo else done
    return {unit["shard"]: records[unit["shard"]] for unit in units}


def run_shards(ctx: Context, units: Sequence[dict[str, Any]], worker: type, *arguments: Any) -> Records:
    """Give every unit that has no committed shard yet to a pool of `cluster.data_workers` actors.

    units: JSON-able dicts with a distinct int `shard`. worker: built in each actor as `worker(*arguments)`.
    Returns the shards' records (see `cluster.store.shard_records`), those of earlier attempts included.
    A unit whose actor dies is given to another one, STARTS times in all, then it is set aside or the stage fails; one that
    raises is tried once more before the stage fails. Raises WorkError naming a shard that was not written, and why.
    """
    done = shard_records(ctx.output)
    todo = [unit for unit in units if unit["shard"] not in done]
    if todo:
        import ray.data

        counted: Any = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Starts)
        starts = counted.remote()

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.raise_original_map_exception = True
        pooled = ray.data.from_items([{"unit": json.dumps(unit)} for unit in todo], override_num_blocks=len(todo)).map(
            Timed,  # type: ignore[arg-type]
            fn_constructor_args=(worker, arguments, ctx.track, len(todo), starts),
            compute=ray.data.ActorPoolStrategy(size=min(ctx.cluster.data_workers, len(todo))),
            num_cpus=WORKER_CPUS,
        )
        try:
            pooled.materialize()
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, (RequestError, WorkError)):  # Ray Data adds lines on its settings to what was said
                raise type(error.cause)(str(error.cause).partition("\n")[0]) from error
            raise
        finally:
            ray.kill(starts)
    records = shard_records(ctx.output) if todo else done
    for unit in units:
        if unit["shard"] not in records:
            raise WorkError(f"shard {unit['shard']} was not written; {AGAIN}")
    return {unit["shard"]: records[unit["shard"]] for unit in units}
