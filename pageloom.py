"""From crawled pages to an answering endpoint."""

from __future__ import annotations

import os
import signal
import sys
from functools import cache
from typing import TYPE_CHECKING

import typer

import actors.commands
import cluster.commands
import pipeline.commands
import serving.commands
from actors.check import check_recipe
from actors.stages import STAGES as ACTORS
from cluster.errors import RequestError, WorkError
from cluster.line import Line
from cluster.terminal import err, tell
from pipeline.stages import STAGES as PIPELINE
from serving.engine.room import endpoint
from serving.engine.settings import ServeSettings
from serving.stages import STAGES as SERVING

if TYPE_CHECKING:
    from cluster.store import Artefact

INTERRUPTED = 130  # 128 + SIGINT, as shells have it

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
for folder in (serving, actors, pipeline, cluster):
    app.add_typer(folder.commands.app)


@cache
def line() -> Line:
    """All stages, from pages to a release."""
    return Line(
        (*PIPELINE, *ACTORS, *SERVING),
        {"serve": ServeSettings},
        check=check_recipe,
        remark=pipeline.commands.still_held,
        others_room={"serving": endpoint},
    )


@app.callback()
def begin(ctx: typer.Context) -> None:
    ctx.obj = line()


def run(
    recipe: str | None = None,
    *,
    input: list[str] | None = None,
    root: str | None = None,
    until: str | None = None,
    set: dict[str, object] | None = None,
    wait: bool = False,
) -> dict[str, Artefact]:
    """Bring a recipe up to `until` (default: its release) as `pageloom run --no-serve` does; for scripts and notebooks.

    recipe: a file or shipped name. set: {dotted key: value}. Returns the artefacts by stage name.
    Raises RequestError for what cannot be done as asked, WorkError for work that failed, each in one line.
    """
    import json

    from cluster.run import Wish, bring_up_to, running
    from cluster.store import Store

    wish = Wish(until, wait=wait)
    wish.check(line())
    overrides = [f"{key}={json.dumps(value)}" for key, value in (set or {}).items()]
    chosen = line().load(recipe, overrides, root, input)
    with running(chosen, Store(chosen.root_uri), chosen.name) as started:
        return bring_up_to(line(), wish, started)


def main() -> None:
    """Entry point: every failure a user can cause is one line and an exit code (1 work failed, 2 request wrong)."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = None
    try:
        code = app(standalone_mode=False)  # what a command exits with; 130 after Ctrl-C
    except RequestError as error:
        tell(error)
        sys.exit(2)
    except WorkError as error:
        tell(error)
        sys.exit(1)
    except typer.Abort:
        code = INTERRUPTED
    except Exception as error:
        if hasattr(error, "format_message"):  # click's own words for a wrong option
            err.print(f"pageloom: {error.format_message()}", style="red", markup=False, soft_wrap=True)
            sys.exit(2)
        raise
    if code == INTERRUPTED:
        err.print("pageloom: stopped; finished stages stay, and running again goes on from there")
        os._exit(code)  # everything is stopped; the interpreter would take seconds to take torch and Ray apart
    sys.exit(code)


if __name__ == "__main__":
    main()
