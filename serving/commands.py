"""Commands that end in an endpoint: run a recipe, serve a release, talk to it."""

from __future__ import annotations

import signal
import time
from typing import Annotated, Any

import typer
from rich.text import Text

from cluster.amounts import human_seconds
from cluster.errors import RequestError
from cluster.line import Line, opened
from cluster.options import InputOption, RecipeArgument, RootOption, SetOption, UntilOption, WaitOption
from cluster.run import Run, bring_up_to, running
from cluster.store import Artefact, Store

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
) -> None:
    """Take a recipe from pages to a served model; what is already done is not done again."""
    line: Line = ctx.obj
    began = time.time()
    if until:
        line.stage(until, "--until")
    chosen: Any = line.load(recipe, set, root, input)
    serving = not (no_serve or until)
    if serving:
        from serving.engine.app import check_port

        check_port(chosen.serve)
    with running(chosen, Store(chosen.root_uri), chosen.name) as run:
        artefacts = bring_up_to(line, until, run, wait)
        run.console.print(f"report  {run.store.root}/report.html   ({human_seconds(time.time() - began)} so far)")
        if serving:
            serve_release(artefacts["release"], run, began)
        else:
            run.console.print("next    `pageloom run` " + ("takes it on from here" if until else "serves it"))


@app.command()
def serve(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    input: InputOption = None,
    root: RootOption = None,
    set: SetOption = None,
) -> None:
    """Serve the released model of a root without running anything else."""
    from serving.engine.app import check_port

    line: Line = ctx.obj
    began = time.time()
    chosen: Any = line.load(recipe, set, root, input, looking=True)
    check_port(chosen.serve)
    store = opened(chosen)
    release = line.artefacts(chosen, store)["release"]
    if release is None:
        raise RequestError(f"{store.root}: no release of this recipe yet; `pageloom run` makes it")
    with running(chosen, store, chosen.name) as run:
        serve_release(release, run, began)


@app.command()
def chat(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Option("--url", help="endpoint; default: where this recipe serves")] = None,
    recipe: RecipeArgument = None,
    set: SetOption = None,
) -> None:
    """Talk to a served model in the terminal."""
    from serving.client.chat import talk
    from serving.engine.app import base_url

    settings = ctx.obj.load(recipe, set, looking=True).serve
    talk(url or base_url(settings), settings)


def serve_release(release: Artefact, run: Run, began: float) -> None:
    """Start the endpoint, ask it one question, say how to repeat it; serve until Ctrl-C or SIGTERM, which end it well."""
    from serving.client.ask import ask, curl_line
    from serving.engine.app import start, warm

    recipe: Any = run.recipe
    settings, console, session = recipe.serve, run.console, run.session
    started = time.time()
    with console.busy("serving"):
        warm()
        session.start()
        endpoint = start(release, recipe.name, settings, recipe.cluster, run.logs)
        answer = ask(endpoint, settings.question, settings)
    took = f" serving     {human_seconds(time.time() - started):>12}   {endpoint.url}"
    console.print(Text.assemble("  ", ("✓", "green"), took))
    console.print(f"\nyou  {settings.question}")
    console.print(f"{endpoint.model}  {answer.text}\n")
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
