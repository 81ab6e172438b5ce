"""A small line of stages, run for real in a process of its own so that tests can kill it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import ray
from pydantic import BaseModel
from rich.console import Console

from cluster.errors import RequestError
from cluster.lock import lock_root
from cluster.plan import make_plan
from cluster.recipe import Recipe
from cluster.run import Run, run_plan
from cluster.session import open_session
from cluster.settings import ClusterSettings
from cluster.stage import Context, Stage
from cluster.store import Location, Store, shard_records, write_shard
from cluster.track.console import RunConsole
from cluster.track.settings import TrackingSettings


class Amount(BaseModel):
    count: int = 6


def numbers(ctx: Context) -> None:
    (ctx.output / "numbers.json").write_json(list(range(ctx.settings.count)))


@ray.remote
def square(number: int, output, track, pause: bool, root: str) -> int:  # type: ignore[no-untyped-def]
    if pause:
        Path(root, "paused").touch()
        time.sleep(60)
    began = time.time()
    track({"value": number**2}, step=number)
    track.settle()
    write_shard(output, number, f"{number}.txt", str(number**2).encode(), value=number**2)
    track.advance(1, 6, "numbers")
    track.worked(began, time.time())
    return number


def squares(ctx: Context) -> None:
    done = shard_records(ctx.output)
    todo = [number for number in (ctx.inputs["numbers"].location / "numbers.json").read_json() if number not in done]
    pause = os.environ.get("PAUSE_AT", "")
    computed = [ray.get(square.remote(n, ctx.output, ctx.track, pause == str(n), sys.argv[1])) for n in todo]
    print("computed shards", computed)


STAGES = (
    Stage("numbers", "numbers", Amount, "1", f"{__name__}:numbers"),
    Stage("squares", "squares", Amount, "1", f"{__name__}:squares", needs=("numbers",)),
)


class Line(Recipe):
    numbers: Amount = Amount()
    squares: Amount = Amount()


if __name__ == "__main__":
    recipe = Line(
        name="line", cluster=ClusterSettings(dashboard=False), tracking=TrackingSettings(wandb="disabled"), root=sys.argv[1]
    )
    store, session = Store(recipe.root_uri), open_session(recipe.cluster, Location.of(recipe.root_uri))
    try:
        session.check()
        run = Run(recipe, store, session, RunConsole(Console()), Path(sys.argv[1], "logs"))
        with lock_root(store.root) as held:
            for name in run_plan(make_plan(recipe, STAGES, store), run, held):
                print("committed", name)
    except RequestError as error:
        sys.exit(str(error))
    finally:
        session.stop()
