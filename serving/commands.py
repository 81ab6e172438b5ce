"""Commands that end in an endpoint: run a recipe, serve a release, talk to it."""

from __future__ import annotations

import signal
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from cluster.amounts import human_seconds
from cluster.errors import RequestError
from cluster.line import Line
from cluster.options import InputOption, RecipeArgument, RootOption, SetOption, UntilOption, WaitOption
from cluster.run import Run, Wish, bring_up_to, running
from cluster.runs import LATEST, named_release, refs
from cluster.store import Location, Store
from cluster.terminal import err
from cluster.track.console import NORMAL, QUIET, VERBOSE, JsonConsole, RunConsole
from serving.engine.room import check_room

app = typer.Typer()


@app.command()
def run(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    input: InputOption = None,
    root: RootOption = None,
    until: UntilOption = None,
    set: SetOption = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="end when the release and the report are written")] = False,
    wait: WaitOption = False,
    start: Annotated[
        str | None, typer.Option("--from", metavar="STAGE", help="begin here; refused where what is before is not done")
    ] = None,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", metavar="STAGE", help="delete it and what comes of it, and make them anew; may be repeated"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print an event a line in JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print failures and what the run ends with only")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="also print keys, places and logs")] = False,
) -> None:
    """Take a recipe from pages to a served model; what is already done is not done again."""
    line: Line = ctx.obj
    began = time.time()
    wish = Wish(until, start, tuple(force or ()), wait)
    wish.check(line)
    chosen: Any = line.load(recipe, set, root, input)
    serving = not (no_serve or until)
    if serving:
        from serving.engine.app import check_port

        check_port(chosen.serve)
    level = QUIET if quiet else VERBOSE if verbose else NORMAL
    voice = JsonConsole if as_json else partial(RunConsole, level=level)
    with running(chosen, Store(chosen.root_uri), chosen.name, voice=voice) as run:
        if serving:
            check_room(chosen, run.session.nodes())
        artefacts = bring_up_to(line, wish, run)
        place, seconds = f"{run.store.root}/report.html", time.time() - began
        run.console.result("report", f"report  {place}   ({human_seconds(seconds)} so far)", place=place, seconds=seconds)
        if serving:
            serve_model(artefacts["release"].location, run, began)
        else:
            run.console.print("next    `pageloom run` " + ("takes it on from here" if until else "serves it"))


@app.command()
def serve(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    input: InputOption = None,
    root: RootOption = None,
    set: SetOption = None,
    release: Annotated[
        str | None, typer.Option("--release", metavar="REF|KEY|DIR", help="which one; default: the last run's")
    ] = None,
) -> None:
    """Serve the released model of a root without running anything else."""
    from serving.engine.app import check_port

    began = time.time()
    if release and Path(release).is_dir():
        chosen: Any = ctx.obj.load(recipe, set, root)
        store, model = Store(chosen.root_uri), Location.of(release)
    else:
        seen = ctx.obj.look(recipe, set, root, input)
        chosen, store = seen.recipe, seen.store
        found = named_release(store, release) if release else seen.artefacts["release"]
        if found is None and seen.run and LATEST in refs(store.root):
            err.print(f"pageloom: {seen.which} made no release; here is the latest there is", style="dim", soft_wrap=True)
            found = named_release(store, LATEST)
        if found is None:
            raise RequestError(f"{store.root}: no release of this recipe yet; `pageloom run` makes it")
        model = found.location
    check_port(chosen.serve)
    with running(chosen, store, chosen.name, writing=False) as run:
        check_room(chosen, run.session.nodes())
        serve_model(model, run, began)


@app.command()
def chat(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Option("--url", help="endpoint; default: where this recipe serves")] = None,
    recipe: RecipeArgument = None,
    root: RootOption = None,
    set: SetOption = None,
) -> None:
    """Talk to a served model in the terminal."""
    from serving.client.chat import talk
    from serving.engine.app import base_url

    settings = ctx.obj.look(recipe, set, root).recipe.serve
    talk(url or base_url(settings), settings)


def serve_model(model: Location, run: Run, began: float) -> None:
    """Start the endpoint, ask it one question, say how to repeat it; serve until Ctrl-C or SIGTERM, which end it well."""
    from serving.client.ask import ask, curl_line
    from serving.engine.app import released_name, start, warm

    recipe: Any = run.recipe
    settings, console, session = recipe.serve, run.console, run.session
    started = time.time()
    with console.busy("serving"):
        warm()
        session.start()
        endpoint = start(model, released_name(model), settings, recipe.cluster, run.logs)
        answer = ask(endpoint, settings.question, settings)
    took = f" serving     {human_seconds(time.time() - started):>12}   {endpoint.url}"
    console.print(Text.assemble("  ", ("✓", "green"), took))
    console.result(
        "answer",
        f"\nyou  {settings.question}\n{endpoint.model}  {answer.text}\n",
        url=endpoint.url,
        model=endpoint.model,
        question=settings.question,
        answer=answer.text,
        seconds=time.time() - began,
    )
    console.print(curl_line(endpoint, settings.question, settings))
    if session.dashboard_url:
        token = f"   (token in {session.token_file})" if session.token_file else ""
        console.print(f"dashboard  {session.dashboard_url}{token}")
    console.print(f"answered {human_seconds(time.time() - began)} after the start; `pageloom chat` talks to it; Ctrl-C ends it")
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        console.print("stopping")
