"""Commands about Kubernetes manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.line import Line
from cluster.options import InputOption, RecipeArgument, RootOption, SetOption
from cluster.terminal import out

app = typer.Typer(no_args_is_help=True, help="Write Kubernetes manifests, without a cluster.")


@app.callback()
def begin() -> None:
    """Write Kubernetes manifests, without a cluster."""


@app.command()
def render(
    ctx: typer.Context,
    overlay: Annotated[str, typer.Option(metavar="NAME", help="dev-cpu, gpu or prod")],
    recipe: RecipeArgument = None,
    input: InputOption = None,
    root: RootOption = None,
    set: SetOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="where to; default: k8s-NAME-OVERLAY")
    ] = None,
    release: Annotated[
        str, typer.Option(metavar="REF|KEY|URI", help="which release is served: of the root, or the URI of one")
    ] = "latest",
    image: Annotated[
        str | None, typer.Option(metavar="NAME:TAG", help="made from k8s/image; default: pageloom:VERSION-cpu or -gpu")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="CRON", help="start the cycle by itself, in UTC; default: by hand")
    ] = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="jobs alone: before there is a release")] = False,
) -> None:
    """Write what runs and serves a recipe on Kubernetes: a directory for `kubectl apply -k`."""
    from cluster.kubernetes.render import Request, check_reach, decided_by, files, write

    line: Line = ctx.obj
    request = Request(overlay, release, image, schedule, not no_serve)
    request.check()
    settings = list(set or [])
    decided = decided_by(overlay, line.load(recipe, settings, root, input))
    chosen: Any = line.load(recipe, settings + decided, root, input)
    check_reach(chosen, line)
    place = output or Path(f"k8s-{chosen.name}-{overlay}")
    write(place, files(chosen, line, request))
    for setting in decided:
        out.print(f"overlay {overlay}: {setting}", soft_wrap=True)
    out.print(
        f"{chosen.name} → {place}: `kubectl apply -k {place}` applies it; k8s/README.md says what comes before", soft_wrap=True
    )
