"""A run of one stage whose worker measures STEPS steps: `small_run.py ROOT`, in a process of its own that tests disturb."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import ray
from pydantic import BaseModel
from rich.console import Console

from cluster.lock import lock_root
from cluster.plan import make_plan
from cluster.recipe import Recipe
from cluster.run import Run, run_plan
from cluster.session import open_session
from cluster.settings import ClusterSettings
from cluster.stage import Context, Stage
from cluster.store import Location, Store
from cluster.track.console import RunConsole
from cluster.track.settings import TrackingSettings


class Steps(BaseModel):
    steps: int = int(os.environ.get("STEPS", "20"))
    pause: float = float(os.environ.get("PAUSE", "0"))
    fail: bool = "FAIL" in os.environ
    settle_every: int = int(os.environ.get("SETTLE_EVERY", "0"))


@ray.remote
def work(track, settings: Steps, go: str) -> float:  # type: ignore[no-untyped-def]
    """Track every step; with GATE from the 10th on only once `go` exists, so that tests can do something in between."""
    began = time.time()
    for step in range(settings.steps):
        if step == 10:
            Path(go + ".wanted").touch()
            while os.environ.get("GATE") and not Path(go).exists():
                time.sleep(0.02)
        track({"loss": 1 / (step + 1), "held_out_loss/my-books": float(step)}, step)
        track.progress(step + 1, settings.steps, "steps")
        time.sleep(settings.pause)
        if settings.settle_every and (step + 1) % settings.settle_every == 0:
            track.settle()
    took = time.time() - began
    track.worked(began, time.time())
    return took


def measure(ctx: Context) -> None:
    ctx.count(took=ray.get(work.remote(ctx.track, ctx.settings, f"{sys.argv[1]}/go")))
    (ctx.output / "result.txt").write_bytes(b"done")
    if ctx.settings.fail:
        raise RuntimeError("as asked")


STAGES = (Stage("measured", "measured", Steps, "1", f"{__name__}:measure"),)


class Line(Recipe):
    measured: Steps = Steps()


if __name__ == "__main__":
    mode = os.environ.get("WANDB", "disabled")
    recipe = Line(
        name="small",
        cluster=ClusterSettings(dashboard=False),
        tracking=TrackingSettings(wandb=mode),  # type: ignore[arg-type]
        root=sys.argv[1],
    )
    store, session = Store(recipe.root_uri), open_session(recipe.cluster, Location.of(recipe.root_uri))
    console = RunConsole(Console(width=300), every=float(os.environ.get("EVERY", "30")))
    try:
        run = Run(recipe, store, session, console, Path(sys.argv[1], "logs", "group"))
        with lock_root(store.root) as held:
            for name in run_plan(make_plan(recipe, STAGES, store), run, held):
                print("committed", name)
    finally:
        session.stop()
