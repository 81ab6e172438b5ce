"""From crawled pages to an answering endpoint."""

from __future__ import annotations

import os
import signal
import sys
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Annotated

import typer

import actors.commands
import cluster.commands
import cluster.jobs.commands
import pipeline.commands
import serving.commands
from actors.check import check_recipe
from actors.stages import STAGES as ACTORS
from cluster.errors import RequestError, WorkError, in_words, unexpected
from cluster.line import Line
from cluster.terminal import err, out, tell
from pipeline.stages import STAGES as PIPELINE
from serving.engine.room import endpoint
from serving.engine.settings import ServeSettings
from serving.stages import STAGES as SERVING

if TYPE_CHECKING:
    from cluster.store import Artefact

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


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


app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "obj": line()},
)
for folder in (serving, actors, pipeline, cluster, cluster.jobs):
    app.add_typer(folder.commands.app)


def version(wanted: bool) -> None:
    if wanted:
        out.print(f"pageloom {metadata.version('pageloom')}")
        raise typer.Exit


@app.callback()
def begin(
    _: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """From crawled pages to an answering endpoint."""


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


def outcome(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; every failure is one line.

    Returns the exit code: 0 done, 1 the work failed, 2 the request was wrong, 130 stopped.
    """
    try:
        # Returns what a command exits with, 130 after Ctrl-C.
        code = app(arguments, prog_name="pageloom", standalone_mode=False)
        sys.stdout.flush()  # a full disk behind it is to be said here
    except RequestError as error:
        tell(error)
        return 2
    except WorkError as error:
        tell(error)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except SystemExit as leaving:  # shell completion leaves so, and Ray's handler of SIGTERM while Ray starts
        return INTERRUPTED if leaving.code == signal.SIGTERM else 1 if leaving.code else 0
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        tell(in_words(error))
        return 1
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own words for a wrong option
            if words := error.format_message():  # none where all that was missing is a command: its help is printed
                tell(words)
            return 2
        tell(unexpected(error))
        return 1
    return code or 0


def main() -> None:
    """Entry point of the command."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        getattr(sys, name).reconfigure(errors="backslashreplace")
    code = outcome()
    if code == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        err.print("pageloom: stopped; finished stages stay, and running again goes on from there")
        os._exit(code)  # everything is stopped; the interpreter would take seconds to take torch and Ray apart
    sys.exit(code)


if __name__ == "__main__":
    main()
